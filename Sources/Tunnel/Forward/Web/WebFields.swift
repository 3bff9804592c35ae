import OmniwayTransport
import OmniwayWire

/// What of a head goes on, and what is for the connection that it came on (RFC 9110, section 7.6.1).
enum WebFields {
    private static let ofConnection: Set = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "content-length", "upgrade", "expect",
    ]
    private static let ofProxies: Set = [
        "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded",
    ]

    /// Those of a request, with who asks for what. What others say about that is believed of proxies that are trusted.
    static func onward(
        _ request: HTTPRequestHead, host: String, from peer: SocketAddress, isSecure: Bool, trusted: [AddressRange],
        dropsLogin: Bool
    ) -> HTTPHeaders {
        let before = request.headers
        let isTrusted = trusted.contains { $0.contains(peer) }
        var dropped = names(ofConnection, before).union(ofProxies)
        dropped.insert("host")
        if dropsLogin { dropped.insert("authorization") }
        var headers: HTTPHeaders = ["Host": host]
        for (name, value) in before where !dropped.contains(name.lowercased()) { headers.add(name, value) }
        let way = isTrusted ? before.values(of: "x-forwarded-for") : []
        let address = HostPort(peer.description)?.host
        headers.add("X-Forwarded-For", (way + [address ?? "unknown"]).joined(separator: ", "))
        let usual = isSecure ? "https" : "http"
        headers.add("X-Forwarded-Proto", isTrusted ? before["x-forwarded-proto"] ?? usual : usual)
        let asked = before["host"] ?? host
        headers.add("X-Forwarded-Host", isTrusted ? before["x-forwarded-host"] ?? asked : asked)
        addUpgrade(request.asksForUpgrade ? before["upgrade"] : nil, to: &headers)
        return headers
    }

    /// Those of a response. Lines of one name stay lines.
    static func back(_ response: HTTPResponseHead) -> HTTPHeaders {
        var headers = HTTPHeaders()
        let dropped = names(ofConnection, response.headers)
        for (name, value) in response.headers where !dropped.contains(name.lowercased()) { headers.add(name, value) }
        addUpgrade(response.status == .switchingProtocols ? response.headers["upgrade"] : nil, to: &headers)
        return headers
    }

    private static func addUpgrade(_ name: String?, to headers: inout HTTPHeaders) {
        guard let name else { return }
        headers.add("Connection", "Upgrade")
        headers.add("Upgrade", name)
    }

    private static func names(_ usual: Set<String>, _ headers: HTTPHeaders) -> Set<String> {
        usual.union(headers.list("connection").map { $0.lowercased() })
    }
}

extension HTTPHeaders {
    /// Of a body whose length is known; a decoder has looked at it before.
    var bodyLength: Int? { contains("transfer-encoding") ? nil : self["content-length"].flatMap { Int($0) } }
}

extension HTTPRequestHead {
    /// Whom it is for: a name in small letters, without the port.
    var hostName: String? {
        guard let host = headers["host"], !host.isEmpty else { return nil }
        let name = host.hasPrefix("[") ? host : String(host.prefix { $0 != ":" })
        return (name.hasSuffix(".") ? String(name.dropLast()) : name).lowercased()
    }

    var hasBody: Bool { headers.contains("transfer-encoding") || headers.bodyLength ?? 0 > 0 }

    /// But not to HTTP/2: what came then nobody here would have looked at.
    var asksForUpgrade: Bool {
        version == .http11 && !hasBody && headers.lists("connection", "upgrade") && headers.contains("upgrade")
            && !headers.lists("upgrade", "h2c")
    }

    /// As the host itself is asked for it.
    var resource: String {
        if target == "*" { return target }
        let path = path.isEmpty ? "/" : path
        return query.map { "\(path)?\($0)" } ?? String(path)
    }

    /// Basic authentication (RFC 7617).
    func shows(_ login: TunnelLogin) -> Bool {
        let parts = (headers["authorization"] ?? "").split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "basic", let bytes = Base64.decode(String(parts[1])),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
        else { return false }
        let user = String(decoding: bytes[..<colon], as: UTF8.self)
        return login.admits(user: user, password: String(decoding: bytes[(colon + 1)...], as: UTF8.self))
    }
}
