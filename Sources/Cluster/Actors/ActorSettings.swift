import OmniwayTransport

/// What an actor system is told.
public struct ActorSettings: Sendable {
    /// What the keys of the registry begin with. Who is to find each other has the same.
    public var prefix = "omniway/actors/"
    /// For how long the registry keeps the actors of a host of which it hears nothing.
    public var lease: Duration = .seconds(10)
    /// What a call may take, unless `ActorCall` says otherwise.
    public var deadline: Duration = .seconds(5)
    /// Most bytes of the arguments of a call, and of a result; the bus may carry less.
    public var largest = 1 << 20
    /// Actors that are hosted here.
    public var actors = 100_000
    /// Calls under way: so many from here, and so many from elsewhere.
    public var calls = 16_384
    /// Calls from elsewhere that are under way in one actor: the one that runs, and those that wait for it.
    public var callsPerActor = 1_024
    /// Actors whose hosts are remembered; for others the registry is asked.
    public var known = 1_000_000
    /// Errors of these types are thrown at the caller as they are. Others become `ActorError.Code.failed`.
    public var errors: [any (Error & Codable & Sendable).Type] = []
    /// Told on the loop when an actor has become another host's while this one was cut off.
    public var evicted: @Sendable (ActorIdentity) -> Void = { _ in }

    public init() {}
}
