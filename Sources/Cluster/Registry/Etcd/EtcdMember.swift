import OmniwayTransport
import OmniwayWire

/// One member of a cluster, and the connections to it.
final class EtcdMember {
    let name: String
    /// For questions.
    let client: HTTPClient
    /// For streams without end.
    let streams: HTTPClient

    init(_ address: EtcdAddress, on loop: Loop, _ limits: RegistryLimits) {
        name = address.name
        client = HTTPClient(
            on: loop, address.dialer, host: address.host.description,
            limits: HTTPClientLimits(
                message: HTTPLimits(body: EtcdAnswers.mostBytes), connect: .seconds(2), whole: limits.deadline,
                quiet: nil, connections: 8, waiting: limits.calls))
        streams = HTTPClient(
            on: loop, address.dialer, host: address.host.description,
            limits: HTTPClientLimits(
                message: HTTPLimits(body: HTTPLimits.unlimitedBody), connect: .seconds(2), whole: nil, quiet: nil,
                idle: .zero, connections: max(1, limits.watches), waiting: limits.watches))
    }

    func close() {
        client.close()
        streams.close()
    }

    static func head(_ request: EtcdRequest, _ token: String?) -> HTTPRequestHead {
        var headers: HTTPHeaders = ["Content-Type": "application/json"]
        if let token { headers.add("Authorization", token) }
        return HTTPRequestHead(.post, request.path, headers)
    }
}
