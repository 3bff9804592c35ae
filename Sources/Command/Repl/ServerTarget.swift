import Omniway
import OmniwayArguments

/// Where a server is, and by which ways it may be reached.
struct ServerTarget: Equatable {
    enum Scheme: String, CaseIterable { case wss, ws, tls, tcp }
    /// In the order in which they are tried.
    let schemes: [Scheme]
    /// `host:port`, or `unix:` and a path.
    let place: String
    /// What WebSocket asks for.
    let path: String

    init(_ text: String) throws(ReplMistake) {
        var rest = Substring(text)
        if let mark = text.firstRange(of: "://") {
            guard let scheme = Scheme(rawValue: String(text[..<mark.lowerBound])) else {
                throw ReplMistake(
                    "\(text) is no address; write host:port, or wss://, ws://, tls:// or tcp:// before it")
            }
            schemes = [scheme]
            rest = text[mark.upperBound...]
        } else {
            schemes = Scheme.allCases
        }
        let isUnix = rest.hasPrefix("unix:")
        let end = isUnix ? rest.endIndex : rest.firstIndex(of: "/") ?? rest.endIndex
        (place, path) = (String(rest[..<end]), end == rest.endIndex ? "/" : String(rest[end...]))
        guard isUnix ? SocketAddress(place) != nil : HostPort(place).map({ !$0.host.isEmpty }) == true else {
            throw ReplMistake("\(text) is no address; write host:port, or wss://, ws://, tls:// or tcp:// before it")
        }
    }

    func dialer(_ scheme: Scheme, trust: TLSTrust, mostPacketBytes: Int) throws(TLSError) -> any Dialer {
        let stream: StreamDialer
        if let address = SocketAddress(place) {
            stream = StreamDialer(address)
        } else if let host = HostPort(place) {
            stream = StreamDialer(host)
        } else {
            preconditionFailure("\(place) was looked at when it was made")
        }
        let host = HostPort(place)?.host ?? "localhost"
        let webSocket = WebSocket(path: path, host: place, maxMessageSize: mostPacketBytes)
        switch scheme {
        case .wss: return webSocket.over(try TLSClient(host: host, trust: trust).over(stream))
        case .ws: return webSocket.over(stream)
        case .tls: return try TLSClient(host: host, trust: trust).over(stream)
        case .tcp: return stream
        }
    }
}

/// How to reach a server: the flags of all commands that do.
struct ServerAccess {
    private static let pin = Flag(
        "tls-pin", .string, default: "", placeholder: "digits",
        help: "The SHA-256 fingerprint of the one certificate to accept, in hexadecimal digits.")
    private static let roots = Flag(
        "tls-ca", .string, default: "", placeholder: "path",
        help: "Certificates of the authorities to trust. By default those of the system.")
    private static let insecure = Flag(
        "tls-insecure", .boolean, default: false,
        help: "Accept any certificate. Whoever is between could then read and change everything.")
    static let timeout = Flag(
        "timeout", .duration, default: .seconds(5), help: "How long to wait for a connection, and for an answer.")
    static let flags: [any AnyFlag] = [pin, roots, insecure, timeout]

    let timeout: Duration
    private let trust: @Sendable (_ host: String) -> TLSTrust

    init(_ call: Invocation) throws(ReplMistake) {
        timeout = call[Self.timeout]
        guard timeout > .zero else { throw ReplMistake("--timeout is above zero") }
        let (pin, roots, insecure) = (call[Self.pin], call[Self.roots], call[Self.insecure])
        guard [!pin.isEmpty, !roots.isEmpty, insecure].count(where: \.self) <= 1 else {
            throw ReplMistake("give one of --tls-pin, --tls-ca and --tls-insecure")
        }
        if !pin.isEmpty {
            guard let fingerprint = TLSFingerprint(pin) else {
                throw ReplMistake("--tls-pin \(pin) is no fingerprint; write 64 hexadecimal digits")
            }
            trust = { .pinned(by: TLSPins([$0: fingerprint], learns: false)) }
        } else if !roots.isEmpty {
            trust = { _ in .roots(files: roots) }
        } else {
            trust = { _ in insecure ? .anybody : .system }
        }
    }

    /// Whom to trust at that place.
    func trust(of target: ServerTarget) -> TLSTrust { trust(HostPort(target.place)?.host ?? "localhost") }

    /// The first way that leads to a server. One that answers and does not want this client, or whose certificate is
    /// not to be trusted, is not asked in another way.
    func client(
        of target: ServerTarget, on loop: EventLoop, saying handshake: Handshake,
        _ serializer: any Serializer = JSONSerializer()
    ) async throws -> (client: AppClient, scheme: ServerTarget.Scheme) {
        var settings = AppClientSettings()
        (settings.handshake, settings.serializer, settings.reconnect) = (handshake, serializer, nil)
        (settings.connectLimit, settings.requestLimit) = (timeout, timeout)
        let trust = trust(of: target)
        var failures: [String] = []
        for scheme in target.schemes {
            do {
                let dialer = try target.dialer(scheme, trust: trust, mostPacketBytes: settings.maxPacketSize + 4)
                return (try await AppClient(over: dialer, on: loop, settings), scheme)
            } catch AppClientError.lost(let reason) {
                failures.append("\(scheme): \(reason)")
                if reason == .certificateRefused || reason == .connectFailed { break }
            }
        }
        throw ReplMistake("no connection to \(target.place): " + failures.joined(separator: "; "))
    }
}
