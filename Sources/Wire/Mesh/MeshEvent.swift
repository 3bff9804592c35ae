/// What a node of the mesh tells its application.
public enum MeshEvent: Equatable, Sendable {
    /// A link to a neighbour; there are only a few, however large the mesh is.
    case neighborUp(NodeID)
    case neighborDown(NodeID)
    /// Somebody is there, or is not any more: only with `MeshSettings.listsMembers`.
    case joined(NodeID)
    case left(NodeID)
    /// A message to everybody. Each comes once.
    case broadcast(MeshBroadcast)
    /// A message to this node alone. Each comes once.
    case message([UInt8], from: NodeID)
    /// Nobody waits for the answer to this request any more: it was cancelled, or its time is over. Only for those that
    /// are answered later; its number is `MeshRequest.number`.
    case abandoned(UInt64, from: NodeID)
    /// So many messages of a node to everybody were sent and will not come.
    case missed(Int, from: NodeID)
}

/// A message to everybody.
public struct MeshBroadcast: Equatable, Sendable {
    public let source: NodeID
    public let topic: String
    public let bytes: [UInt8]

    public init(source: NodeID, topic: String, bytes: [UInt8]) {
        (self.source, self.topic, self.bytes) = (source, topic, bytes)
    }
}

/// A request of another node.
public struct MeshRequest: Equatable, Sendable {
    public let source: NodeID
    public let method: String
    public let bytes: [UInt8]
    /// How long the other node waits.
    public let deadline: Duration
    /// For `.later`.
    public let number: UInt64
}

/// What becomes of a request.
public enum MeshReply: Equatable, Sendable {
    case bytes([UInt8])
    case failed(String)
    case unknownMethod
    /// The application will give the answer when it has it.
    case later
}

/// Why a message or a request did not succeed.
public enum MeshFailure: Error, Equatable, Sendable, CustomStringConvertible {
    case timedOut
    /// The task that waited was cancelled. Whether the other node has done it is not known.
    case cancelled
    /// Nobody has answered to that name, or the node is not there.
    case notFound(String)
    /// The other node has started again meanwhile; whether it has done what it was asked is not known.
    case restarted
    /// The other node has received it, and does not know any more what came of it.
    case forgotten
    case refused(MeshStatus, String)
    case tooLarge(bytes: Int, limit: Int)
    /// As much is under way as may be.
    case overloaded(Int)
    case closed

    public var description: String {
        switch self {
        case .timedOut: "no answer in time; ask again, or give it longer"
        case .cancelled: "the task was cancelled; ask the node what it has done before asking once more"
        case .notFound(let name): "nobody answers to '\(name)'; is it there, and is this node connected to anybody?"
        case .restarted: "the node has started again meanwhile; ask it what it has done before asking once more"
        case .forgotten: "the node received it and does not know any more what came of it; ask it for its state"
        case .refused(let status, let text): "the node answered \(status)\(text.isEmpty ? "" : ": \(text)")"
        case .tooLarge(let bytes, let limit): "\(bytes) bytes; send \(limit) at most"
        case .overloaded(let count): "\(count) are under way already; wait for answers"
        case .closed: "this node was closed; make another one"
        }
    }
}
