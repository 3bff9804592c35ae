public import OmniwayTransport
public import OmniwayWire
import OmniwayTelemetry

/// What a peer does with messages. Give your own to `MeshPeer` to carry data: the connections and their rules stay.
///
/// ```swift
/// struct Shelf: MessageHandler {
///     let book: [UInt8]
///     func handle(_ incoming: IncomingMessage) throws -> PheromoneMessage? {
///         guard incoming.message.operation == .getRequest else { return try StandardHandler().handle(incoming) }
///         return incoming.answer(.getResponse, data: book)
///     }
/// }
/// ```
public protocol MessageHandler: Sendable {
    /// The answer, or nil for none. Called on the peer's loop, so it must not block. After an error nothing is sent.
    func handle(_ incoming: IncomingMessage) throws -> PheromoneMessage?
}

/// A message, and what can be done about its sender.
public struct IncomingMessage {
    public let message: PheromoneMessage
    let node: PeerNode
    /// Nil for a message that the application gave to `MeshPeer.handle`.
    let connection: PeerConnection?

    /// Whether connections are kept.
    public var kind: ConnectionKind { node.kind }
    /// Where it comes from; nowhere when the application itself has it handled.
    public var origin: SocketAddress { connection?.link?.traits.peer ?? .none }

    /// A message of this peer.
    public func answer(_ operation: PheromoneOperation, data: [UInt8] = []) -> PheromoneMessage {
        PheromoneMessage(name: node.name, operation: operation, data: data)
    }

    /// Makes the sender known: by its address, or over the connection that this message came by.
    public func addRoute(at address: String) throws(MeshError) {
        try node.learn(MeshRoute(name: message.name, address: address), over: connection)
    }
}

/// Does what the protocol of the original does: makes those known who greet, and answers each step with the next.
public struct StandardHandler: MessageHandler {
    public init() {}

    public func handle(_ incoming: IncomingMessage) throws(MeshError) -> PheromoneMessage? {
        switch try PheromoneReaction(to: incoming.message) {
        case .greeted(let greeting):
            // Whoever greets is answered, also when it is known already or cannot be reached.
            do throws(MeshError) {
                try incoming.addRoute(at: greeting.address)
            } catch { Log.shared.debug("mesh route not added", ["name": incoming.message.name, "why": "\(error)"]) }
            return incoming.answer(.connectResponse)
        case .answer(let operation): return incoming.answer(operation)
        case .unknown: return incoming.answer(.unknown)
        case .ends: return nil
        case .notUnderstood:
            Log.shared.info("mesh message not understood", ["peer": incoming.message.name])
            return nil
        }
    }
}
