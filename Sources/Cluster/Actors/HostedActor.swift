import Distributed
import OmniwayTelemetry

/// An actor that is hosted here, whatever its type.
protocol HostedActor: Sendable {
    var actor: any DistributedActor { get }
    /// Whether a target is a method of this type: the runtime would run that of another type on it as well.
    func has(_ target: String) -> Bool
    @concurrent func run(_ target: String, _ arguments: [[UInt8]], _ handler: ActorResultHandler) async throws
}

struct HostedActorOf<Act: DistributedActor>: HostedActor where Act.ActorSystem == OmniwayActorSystem {
    let hosted: Act
    private let names = ActorTargets(of: Act.self)

    init(_ hosted: Act) { self.hosted = hosted }

    var actor: any DistributedActor { hosted }
    func has(_ target: String) -> Bool { names.contain(target) }

    @concurrent func run(_ target: String, _ arguments: [[UInt8]], _ handler: ActorResultHandler) async throws {
        var decoder = ActorInvocationDecoder(arguments, of: hosted.actorSystem)
        try await hosted.actorSystem.executeDistributedTarget(
            on: hosted, target: RemoteCallTarget(target), invocationDecoder: &decoder, handler: handler)
    }
}

/// Which mangled names are those of a type's methods.
struct ActorTargets: Sendable {
    private let mangled: String
    private let readable: String

    init(of type: Any.Type) {
        mangled = _mangledTypeName(type).map { "$s" + $0 } ?? ""
        readable = String(reflecting: type) + "."
    }

    /// The name begins with that of the type, and the method is the type's own, not that of a type within it. Nothing
    /// but letters reaches the demangler: bytes below a blank would be taken for addresses.
    func contain(_ target: String) -> Bool {
        guard !mangled.isEmpty, target.utf8.count <= ActorInvocation.longestTarget, target.hasPrefix(mangled),
            target.hasSuffix("FTE"), target.utf8.allSatisfy(Self.isPlain)
        else { return false }
        let words = RemoteCallTarget(target).description
        guard words.hasPrefix(readable) else { return false }
        return !words.dropFirst(readable.count).prefix { $0 != "(" }.contains(".")
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), UInt8(ascii: "$"):
            true
        default: false
        }
    }
}

/// The actors of a system, for all threads.
final class ActorTable: Sendable {
    private let hosted = Lock<[ActorIdentity: any HostedActor]>([:])

    subscript(identity: ActorIdentity) -> (any HostedActor)? { hosted.withLock { $0[identity] } }
    var identities: [ActorIdentity] {
        hosted.withLock { Array($0.keys) }.sorted { ($0.type, $0.name) < ($1.type, $1.name) }
    }
    var count: Int { hosted.withLock { $0.count } }

    func add(_ actor: any HostedActor, as identity: ActorIdentity) { hosted.withLock { $0[identity] = actor } }
    /// What was there is let go of outside the lock: its end may come back here.
    func remove(_ identity: ActorIdentity) { _ = hosted.withLock { $0.removeValue(forKey: identity) } }
}
