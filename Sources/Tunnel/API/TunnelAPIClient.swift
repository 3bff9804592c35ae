public import OmniwayTransport
public import OmniwayWire

/// Asks the HTTP interface of a node on behalf of one client.
public actor TunnelAPIClient {
    private let http: LoopBound<HTTPClient>
    private let identity: TunnelIdentity
    private var token: String?

    public init(
        of node: TunnelNodeAddress, trust: TLSTrust, serverName: String? = nil, as identity: TunnelIdentity,
        on loop: EventLoop
    ) async throws(TLSError) {
        let dialer = try node.plainDialer(trust, serverName)
        let host = "\(node.at)"
        let limits = HTTPClientLimits(connect: .seconds(5), whole: .seconds(20))
        http = await loop.own { HTTPClient(on: $0, AnyDialer(dialer), host: host, limits: limits) }
        self.identity = identity
    }

    /// What its data is, or null.
    public func get(_ path: String) async throws(TunnelAPIError) -> JSON { try await ask(.get, path, nil) }

    public func post(_ path: String, _ body: JSON) async throws(TunnelAPIError) -> JSON {
        try await ask(.post, path, body)
    }

    /// Makes a rule, or changes that for the same address; what it is then.
    public func add(_ rule: TunnelRuleRequest) async throws(TunnelAPIError) -> JSON {
        try await post("listen/add", rule.json)
    }

    /// Rules that the client has made, and those that lead to it.
    public func rules() async throws(TunnelAPIError) -> [JSON] {
        guard case .array(let rules) = try await get("listen/list/\(identity.client)") else { throw .unreadable }
        return rules
    }

    /// Whether the node takes work.
    public func isReady() async throws(TunnelAPIError) -> Bool {
        do throws(HTTPClientError) { return try await http.get("/_zhangyu/readyz").status == .ok } catch {
            throw .unreachable(error)
        }
    }

    private func ask(_ method: HTTPMethod, _ path: String, _ body: JSON?) async throws(TunnelAPIError) -> JSON {
        let token: String
        if let known = self.token {
            token = known
        } else {
            let login: JSON = ["clientId": .string(identity.client), "token": .string(identity.token)]
            guard case .string(let fresh)? = try await send(.post, "auth/login", login)["tokenString"] else {
                throw .unreadable
            }
            token = fresh
            self.token = fresh
        }
        return try await send(method, path, body, ["Authorization": "Bearer \(token)"])
    }

    private func send(
        _ method: HTTPMethod, _ path: String, _ body: JSON?, _ headers: HTTPHeaders = HTTPHeaders()
    ) async throws(TunnelAPIError) -> JSON {
        let request = HTTPRequestHead(method, "/_zhangyu/\(path)", headers)
        let response: HTTPResponse
        do throws(HTTPClientError) {
            response = try await http.send(request, body.map { .bytes(Array($0.text.utf8)) } ?? .none)
        } catch { throw .unreachable(error) }
        let envelope = try? JSON.Reader.go.read(response.body)
        guard response.status == .ok else {
            guard case .string(let words)? = envelope?["message"] else { throw .unreadable }
            throw .refused(response.status, words)
        }
        guard let envelope else { throw .unreadable }
        return envelope["data"] ?? .null
    }
}

/// Why the HTTP interface has not done it.
public enum TunnelAPIError: Error, CustomStringConvertible {
    case unreachable(HTTPClientError)
    case refused(HTTPStatus, String)
    case unreadable

    public var description: String {
        switch self {
        case .unreachable(let error): "\(error)"
        case .refused(let status, let words): "\(words) (\(status.code))"
        case .unreadable: "what answers there is no tunnel node; see --node"
        }
    }
}
