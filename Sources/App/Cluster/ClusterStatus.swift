public import OmniwayCluster
import OmniwayTelemetry
public import OmniwayTransport
public import OmniwayWire

/// Who is in a cluster and how they are, as one sees it from outside.
public struct ClusterStatus: Sendable {
    public struct Member: Sendable {
        public let server: ClusterServer
        /// The lease under which it is written down; 0 for one that stays there when the server is gone.
        public let lease: Int64
        public let answer: Answer
    }

    public enum Answer: Sendable, Equatable {
        /// One of ours, and what it says.
        case report(Report)
        /// It answers, and has no report: a server of pitaya, or an old one of ours.
        case other
        /// Why there is no answer.
        case silent(String)
    }

    public struct Report: Sendable, Equatable {
        public let version: String
        /// Sessions of clients that are connected to it, and those of them that have a user.
        public let sessions, users: Int
    }

    /// In the order of types and ids.
    public let members: [Member]

    /// Reads the registry, and asks all servers at once.
    public static func ask(
        registry: Registry, bus: any Bus, prefix: String = "pitaya/", on loop: EventLoop,
        within limit: Duration = .seconds(1)
    ) async throws -> ClusterStatus {
        let keys = ClusterKeys(prefix: prefix)
        let entries = try await registry.list(RegistryBytes(keys.servers)).entries
        let members = await withTaskGroup(of: Member?.self) { group in
            for entry in entries {
                group.addTask {
                    let bytes = entry.value.bytes
                    guard keys.server(at: entry.key.text) != nil,
                        let server = try? ClusterServer(json: unsafe bytes.span.bytes)  // Safe: no padding.
                    else { return nil }
                    return Member(
                        server: server, lease: entry.lease,
                        answer: await ask(server, bus, on: loop, within: limit))
                }
            }
            var members: [Member] = []
            for await member in group { if let member { members.append(member) } }
            return members
        }
        return ClusterStatus(
            members: members.sorted { ($0.server.type, $0.server.id) < ($1.server.type, $1.server.id) })
    }

    private static func ask(
        _ server: ClusterServer, _ bus: any Bus, on loop: EventLoop, within limit: Duration
    ) async -> Answer {
        do throws(BusError) {
            let answer = try await bus.request(
                ClusterSubject.server(server.type, server.id), question, deadline: limit, on: loop)
            // Safe because bytes have no padding.
            guard let response = try? PomeloProtos.Response(protobuf: unsafe answer.body.span.bytes),
                response.error == nil, let report = Report(response.data)
            else { return .other }
            return .report(report)
        } catch { return .silent(error.code) }
    }

    static let route = "sys.status"
    static let question = PomeloProtos.Request(
        type: .user, msg: PomeloProtos.Msg(route: route, type: .request), metadata: Array("{}".utf8)
    ).protobuf
}

extension ClusterStatus.Report {
    var json: [UInt8] {
        var bytes: [UInt8] = []
        JSON.Writer().writeObject(to: &bytes) {
            $0.member("version", version)
            $0.member("sessions", sessions)
            $0.member("users", users)
        }
        return bytes
    }

    fileprivate init?(_ bytes: [UInt8]) {
        guard let report = try? JSON.Reader.go.read(bytes), let version = try? report["version"]?.string(),
            let sessions = try? report["sessions"]?.int(), let users = try? report["users"]?.int()
        else { return nil }
        self.init(version: version, sessions: sessions, users: users)
    }
}
