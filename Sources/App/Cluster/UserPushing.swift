import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

extension AppServer {
    /// Pushes to many users with one call for each frontend of the type. Returns those who are certainly nowhere.
    func spread(_ route: String, _ body: [UInt8], to users: [String], at type: String?) async throws -> [String] {
        guard let member else { throw AppError.noCluster }
        let (type, own) = (try member.frontendType(type), member.own)
        let absent = type == plan.type ? try whileOpen { try pushHere(route, body, to: users) } : users
        let frontends = member.servers.ofType(type).filter { $0.id != own.id || type != own.type }
        if absent.isEmpty || frontends.isEmpty { return absent }
        let (answers, answer) = AsyncStream.makeStream(of: Result<[String], AppError>.self)
        let index = try whileOpen { here ?? 0 }
        try await reach(index) { _, shard in
            guard let cluster = shard.cluster else { return answer.finish() }
            UserPushing(route, body, type, absent, cluster) {
                answer.yield($0)
                answer.finish()
            }
            .begin(at: frontends)
        }
        for await answer in answers { return try answer.get() }
        throw Self.stopped
    }
}

/// One push on its way to the users of all frontends of a type. Its calls hold it.
private final class UserPushing {
    private let route: String
    private let body: [UInt8]
    private let type: String
    private let users: [String]
    private let cluster: ClusterPart
    private let done: (Result<[String], AppError>) -> Void
    private var found: Set<String> = []
    private var open = 0
    /// A frontend has not said whom it has.
    private var isUnsure = false
    /// A frontend does not know such a push, or has no room for it: it has carried out nothing.
    private var isDeclined = false
    private var failure: BusError?

    init(
        _ route: String, _ body: [UInt8], _ type: String, _ users: [String], _ cluster: ClusterPart,
        _ done: @escaping (Result<[String], AppError>) -> Void
    ) {
        (self.route, self.body, self.type, self.users) = (route, body, type, users)
        (self.cluster, self.done) = (cluster, done)
    }

    func begin(at frontends: [ClusterServer]) {
        let parts = parts
        open = parts.count * frontends.count
        for part in parts {
            let push = UserPush(route: route, data: body, users: Array(part))
            let request = PomeloProtos.Request(
                type: .user, msg: PomeloProtos.Msg(route: UserPush.remote, data: push.protobuf, type: .request),
                metadata: Array("{}".utf8)
            ).protobuf
            for frontend in frontends {
                cluster.port.request(
                    ClusterSubject.server(type, frontend.id), request, deadline: cluster.settings.callLimit
                ) { [self] answer in
                    switch answer {
                    case .success(let message): take(.success(message.body), part)
                    case .failure(let error): take(.failure(error), part)
                    }
                }
            }
        }
    }

    /// So many users that the push still fits into a message of the bus.
    private var parts: [ArraySlice<String>] {
        var parts: [ArraySlice<String>] = []
        var (start, bytes) = (0, 0)
        for (index, user) in users.enumerated() {
            bytes += user.utf8.count + 4
            if bytes > Self.mostBytes {
                parts.append(users[start..<index])
                (start, bytes) = (index, user.utf8.count + 4)
            }
        }
        return parts + [users[start...]]
    }
    private static let mostBytes = 256 << 10

    private func take(_ answer: Result<[UInt8], BusError>, _ part: ArraySlice<String>) {
        switch answer {
        case .success(let bytes):
            do throws(ProtobufError) {
                let response = try PomeloProtos.Response(protobuf: bytes.span.raw)
                if response.error != nil { isDeclined = true } else { try take(response.data, part) }
            } catch { isDeclined = true }
        case .failure(.noResponders): break  // It has gone, and whoever was there.
        case .failure(.timedOut), .failure(.connectionLost): isUnsure = true
        case .failure(let error): failure = error
        }
        open -= 1
        if open == 0 { end() }
    }

    private func take(_ data: [UInt8], _ part: ArraySlice<String>) throws(ProtobufError) {
        let absent = Set(try PomeloProtos.ProtoNames(protobuf: data.span.raw).name)
        for user in part where !absent.contains(user) { found.insert(user) }
    }

    private func end() {
        let missing = users.filter { !found.contains($0) }
        if let failure {
            cluster.shard.counters.unpublished.add(UInt64(missing.count))
            return done(
                .failure(AppError(AppError.unavailable, "not all of the group could be pushed to: \(failure)")))
        }
        if isDeclined {
            cluster.publish(
                missing.map { user in
                    let push = PomeloProtos.Push(route: route, uid: user, data: body)
                    return (ClusterSubject.push(user, at: type), push.protobuf)
                })
        }
        done(.success(isDeclined || isUnsure ? [] : missing))
    }
}
