import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// Somebody who asks the HTTP interface of a node, over virtual time.
final class Asker {
    let world: TunnelWorld
    private let http: LoopBound<HTTPClient>
    var token: String?

    init(_ world: TunnelWorld, at node: Int = 0) async throws {
        self.world = world
        let pipe = world.network.pipe("api-\(node):1")
        http = await world.world.loops[3].own { HTTPClient(on: $0, pipe, host: "node") }
    }

    /// The status, and the whole answer as JSON.
    func ask(
        _ method: HTTPMethod, _ path: String, _ body: JSON? = nil, _ headers: HTTPHeaders = HTTPHeaders()
    ) async throws -> (code: Int, json: JSON) {
        var headers = headers
        if let token { headers.add("Authorization", "Bearer \(token)") }
        let request = HTTPRequestHead(method, "/_zhangyu/\(path)", headers)
        let http = http
        let response = try await world.world.run {
            try await http.send(request, body.map { .bytes(Array($0.description.utf8)) } ?? .none)
        }
        return (response.status.code, (try? JSON.Reader.go.read(response.body)) ?? .string(response.text))
    }

    func logIn(_ identity: TunnelIdentity) async throws -> Int {
        let body: JSON = ["clientId": .string(identity.client), "token": .string(identity.token)]
        let (code, json) = try await ask(.post, "auth/login", body)
        token = json["data"]?["tokenString"].flatMap { try? $0.string() }
        return code
    }
}

extension TunnelWorld {
    /// Opens the whole door of each node beside that for carriers alone.
    func openDoors(_ prepare: @escaping @Sendable (inout TunnelAPISettings) -> Void = { _ in }) async throws {
        var settings = TunnelAPISettings()
        prepare(&settings)
        let (chosen, network) = (settings, network)
        for (index, node) in nodes.enumerated() {
            _ = try await world.run {
                let door = await TunnelDoor.open(for: node, settings: chosen)
                return try await network.pipe("api-\(index):1").open(into: [door])
            }
        }
    }

    /// Somebody who has logged in as this client.
    func asker(_ identity: TunnelIdentity?, at node: Int = 0) async throws -> Asker {
        let asker = try await Asker(self, at: node)
        #expect(try await asker.logIn(try #require(identity)) == 200)
        return asker
    }
}
