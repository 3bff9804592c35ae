import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// The server where a forwarded message's client is, as the message's session needs it.
final class Frontend {
    let id: String
    /// As it is written down; otherwise as the caller has said it.
    private(set) lazy var type = cluster.servers.find(id, preferring: saidType)?.type ?? saidType
    private let saidType: String
    /// The frontend's number for the session.
    private let number: Int64
    private let cluster: ClusterPart
    /// The message that the session is there for.
    weak var context: Context?

    init(_ id: String, saidType: String, session number: Int64, _ cluster: ClusterPart) {
        (self.id, self.saidType, self.number, self.cluster) = (id, saidType, number, cluster)
    }

    /// Pushes go to a user: the bus knows no sessions.
    func push(_ route: String, _ body: [UInt8], to user: String?) throws {
        guard let user else {
            throw AppError(
                AppError.unknown, "a session at another server is pushed to by its user; bind it before")
        }
        try cluster.push(route, body, to: user, at: type)
    }

    nonisolated(nonsending) func bind(_ user: String) async throws {
        try await tell("sys.bindsession", PomeloProtos.Session(id: number, uid: user).protobuf)
    }

    nonisolated(nonsending) func set(_ data: [UInt8], of user: String?) async throws {
        try await tell("sys.pushsession", PomeloProtos.Session(id: number, uid: user ?? "", data: data).protobuf)
    }

    func kick(_ user: String?) {
        guard let user else {
            return Log.shared.warning("a session at another server is kicked by its user; bind it before", [:])
        }
        cluster.tell(server, request("sys.kick", PomeloProtos.KickMsg(userId: user).protobuf), for: context)
    }

    private var server: ClusterServer { ClusterServer(id: id, type: type, isFrontend: true) }

    private func request(_ route: String, _ body: [UInt8]) -> PomeloProtos.Request {
        PomeloProtos.Request(type: .user, msg: PomeloProtos.Msg(route: route, data: body, type: .request))
    }

    private nonisolated(nonsending) func tell(_ route: String, _ body: [UInt8]) async throws {
        do {
            _ = try await cluster.call(server, request(route, body), for: context)
        } catch let error as Nobody { throw error.answer }
    }
}
