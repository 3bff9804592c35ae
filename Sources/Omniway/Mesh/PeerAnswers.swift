package import OmniwayMesh
import OmniwayTelemetry
package import OmniwayWire

/// What nodes of this program answer: `echo` and `ping` give back what they get, `neighbors` a line for each, with its
/// id and name, from which `omniway peer` draws who is linked to whom.
package final class PeerAnswers: Sendable {
    private let node = Lock<MeshNode?>(nil)

    package init() {}

    /// Whose neighbours are told.
    package func belong(to node: MeshNode) { self.node.withLock { $0 = node } }

    package func answer(_ request: MeshRequest) -> MeshReply {
        switch request.method {
        case "echo", "ping": return .bytes(request.bytes)
        case "neighbors":
            guard let node = node.withLock({ $0 }) else { return .failed("it has not started yet") }
            Task.detached { await node.answer(request, with: .bytes(await Self.neighbors(of: node))) }
            return .later
        default: return .unknownMethod
        }
    }

    package static func neighbors(of node: MeshNode) async -> [UInt8] {
        let lines = await node.neighbors().map { "\($0.id) \($0.name)" }
        return Array(lines.joined(separator: "\n").utf8)
    }
}
