public import Distributed
import OmniwayTelemetry
public import OmniwayTransport
import Synchronization

/// Distributed actors whose hosts find each other in a registry and talk over a bus.
///
/// ```swift
/// distributed actor Room: LoopActor {
///     typealias ActorSystem = OmniwayActorSystem
///     distributed func join(_ name: String) -> Int { … }
/// }
///
/// let system = try await OmniwayActorSystem.join(registry: registry, bus: bus, on: loop)
/// let room = try await system.host("lobby") { Room(actorSystem: $0) }  // Here,
/// try await system.actor(Room.self, "lobby").join("ann")               // and in any other process.
/// ```
///
/// A system belongs to one loop, as the port of a bus does: its actors that are `LoopActor`s run there. A process with
/// several loops has a system for each.
public final class OmniwayActorSystem: DistributedActorSystem, Sendable {
    public typealias ActorID = ActorIdentity
    public typealias InvocationEncoder = ActorInvocationEncoder
    public typealias InvocationDecoder = ActorInvocationDecoder
    public typealias ResultHandler = ActorResultHandler
    public typealias SerializationRequirement = Codable

    /// Where its actors run.
    public let loop: EventLoop
    public let settings: ActorSettings
    let table: ActorTable
    let door: Mailbox<ActorMail>
    /// Calls that were made so far.
    let calls = Atomic<UInt64>(0)
    private let node: LoopBound<ActorNode>

    private init(
        _ loop: EventLoop, _ settings: ActorSettings, _ table: ActorTable, _ door: Mailbox<ActorMail>,
        _ node: LoopBound<ActorNode>
    ) {
        (self.loop, self.settings, self.table, self.door, self.node) = (loop, settings, table, door, node)
    }

    /// Becomes a host, which others can call, under a lease of its own. The registry must be there for that.
    public static func join(
        registry: Registry, bus: any Bus, on loop: EventLoop, settings: ActorSettings = ActorSettings()
    ) async throws -> OmniwayActorSystem {
        let table = ActorTable()
        let node = await loop.own { ActorNode(on: $0, registry.on($0), bus.port(on: $0), settings, table) }
        let door = try await node.run { _, node throws(ActorError) in try node.open() }
        let system = OmniwayActorSystem(loop, settings, table, door, node)
        let error = await withCheckedContinuation { waiter in
            system.door.post(.join(ActorPromise(otherwise: .closed) { waiter.resume(returning: $0) }))
        }
        guard let error else { return system }
        await system.leave()
        throw error
    }

    // MARK: Hosting

    /// Takes the name for this host, then makes the actor, which others reach from then on and which the system holds.
    /// Fails as `taken` when another has the name: whoever writes it into the registry first.
    @discardableResult
    public func host<Act: DistributedActor>(
        _ name: String, _ make: (OmniwayActorSystem) async throws -> Act
    ) async throws -> Act where Act.ActorSystem == OmniwayActorSystem {
        let identity = ActorIdentity(Act.self, name)
        try identity.check()
        if let error = await claim(identity) { throw error }
        do {
            let actor = try await ActorTicket.$current.withValue(ActorTicket(identity)) { try await make(self) }
            guard actor.id == identity else {
                throw ActorError(.invalid, "the actor for \(identity) is another one; make it within the closure")
            }
            table.add(HostedActorOf(actor), as: identity)
            guard await isOurs(identity) else {
                throw ActorError(.taken, "\(identity) has become another host's while it was made")
            }
            return actor
        } catch {
            await release(identity)
            throw error
        }
    }

    private func isOurs(_ identity: ActorIdentity) async -> Bool {
        await withCheckedContinuation { waiter in
            door.post(.confirm(identity, ActorPromise(otherwise: false) { waiter.resume(returning: $0) }))
        }
    }

    private func claim(_ identity: ActorIdentity) async -> ActorError? {
        await withCheckedContinuation { waiter in
            door.post(.claim(identity, ActorPromise(otherwise: .closed) { waiter.resume(returning: $0) }))
        }
    }

    /// The actor, wherever it is: itself when it is hosted here, otherwise a reference. Whether anybody hosts it shows
    /// when it is called.
    public func actor<Act: DistributedActor>(_ type: Act.Type, _ name: String) throws -> Act
    where Act.ActorSystem == OmniwayActorSystem {
        try Act.resolve(id: ActorIdentity(type, name), using: self)
    }

    /// Lets go of the actor and gives the name back; when the registry is away, the lease does so at its end. Calls
    /// under way are finished.
    public func release(_ identity: ActorIdentity) async {
        table.remove(identity)
        await withCheckedContinuation { waiter in
            door.post(.release(identity, ActorPromise(otherwise: ()) { waiter.resume() }))
        }
    }

    /// What is hosted here, in the order of types and names.
    public var hosted: [ActorIdentity] { table.identities }

    /// Gives all names back, lets calls from elsewhere that are under way be finished within `limit`, then ends those
    /// that wait for answers here as `closed`, and lets go of the loop. Call it once.
    public func leave(within limit: Duration = .seconds(5)) async {
        let lease = await withCheckedContinuation { waiter in
            door.post(.leave(ActorPromise(otherwise: nil) { waiter.resume(returning: $0) }))
        }
        do {
            try await lease?.revoke()
        } catch { Log.shared.notice("actors: the lease ends by itself", ["error": "\(error)"]) }
        await withCheckedContinuation { waiter in
            door.post(.end(within: limit, ActorPromise(otherwise: ()) { waiter.resume() }))
        }
        await node.release()
    }

    // MARK: DistributedActorSystem

    public func resolve<Act: DistributedActor>(id: ActorIdentity, as type: Act.Type) throws -> Act?
    where Act.ID == ActorIdentity {
        try id.check()
        guard id.type == String(reflecting: type) else {
            throw ActorError(.invalid, "\(id) is no \(String(reflecting: type))")
        }
        return table[id]?.actor as? Act
    }

    public func assignID<Act: DistributedActor>(_ type: Act.Type) -> ActorIdentity where Act.ID == ActorIdentity {
        if let identity = ActorTicket.current?.take(for: type) { return identity }
        // Made without `host`: nobody elsewhere can call it, so its name is nobody's concern.
        return ActorIdentity(type, "local-\(UInt64.random(in: 0 ... .max))-\(UInt64.random(in: 0 ... .max))")
    }

    public func actorReady<Act: DistributedActor>(_ actor: Act) where Act.ID == ActorIdentity {}

    /// The end of an actor. Those that are hosted are held by the table, so they have been released before.
    public func resignID(_ id: ActorIdentity) {}

    public func makeInvocationEncoder() -> ActorInvocationEncoder { ActorInvocationEncoder() }
}

/// Distributed actors that run on the loop of their system, so that a call between two of them is no hop.
public protocol LoopActor: DistributedActor where ActorSystem == OmniwayActorSystem {}

extension LoopActor {
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe actorSystem.loop.unownedExecutor }
}

/// The name for the actor that is being made.
final class ActorTicket: Sendable {
    @TaskLocal static var current: ActorTicket?
    private let identity: Lock<ActorIdentity?>

    init(_ identity: ActorIdentity) { self.identity = Lock(identity) }

    /// Once, and only for the type that it is for.
    func take(for type: Any.Type) -> ActorIdentity? {
        identity.withLock { $0?.type == String(reflecting: type) ? exchange(&$0, with: nil) : nil }
    }
}
