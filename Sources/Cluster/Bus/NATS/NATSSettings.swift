public import OmniwayTelemetry
public import OmniwayTransport
import OmniwayWire

/// How to reach the servers of a NATS cluster, and how to be with them.
public struct NATSSettings: Sendable {
    /// Where to begin.
    public var servers: [NATSServer]
    /// For servers whose address names no user.
    public var credentials = NATSCredentials.none
    /// Whom to trust, for servers with `tls://`; given, it is for all of them.
    public var tls: NATSTLS?
    /// What the servers show for this client.
    public var name = "omniway"
    /// How long one server may take, until it has accepted the login.
    public var connectTimeout = Duration.seconds(5)
    /// How to come back after a loss: at random times, for ever. All servers are tried before each pause.
    public var reconnect = Reconnecting(first: .milliseconds(100), longest: .seconds(5))
    /// A server that has said nothing for so long is pinged.
    public var pingInterval = Duration.seconds(10)
    /// A server that leaves so many pings unanswered is lost.
    public var mostPings = 2
    /// Bytes that may wait to be sent; beyond, messages and requests are refused.
    public var mostQueued = 8 << 20
    /// What subjects of answers begin with.
    public var inboxPrefix = "_INBOX"
    /// How long a server that will end soon is still listened to, after the move to another one.
    public var leaveLimit = Duration.seconds(5)
    /// Also use the servers that a server tells of.
    public var usesDiscovered = true
    /// What each port may hold.
    public var limits = BusLimits()
    /// How to dial one server.
    public var dialer: @Sendable (NATSServer) -> any Dialer = { StreamDialer($0.address) }

    /// Addresses as `nats://host:4222`, `tls://host`, `nats://user:password@host`, `nats://token@host`.
    public init(_ addresses: String...) throws(BusError) { try self.init(addresses) }

    /// The same from a list.
    public init(_ addresses: [String]) throws(BusError) {
        servers = []
        for address in addresses { servers.append(try NATSServer(address)) }
    }

    func check() throws(BusError) {
        if servers.isEmpty { throw .configuration("no server of the bus is given; write nats://host:4222") }
        guard (1 << 10...256 << 20).contains(mostQueued), mostPings > 0, pingInterval > .zero else {
            throw .configuration("mostQueued is 1 KiB to 256 MiB; mostPings and pingInterval are above zero")
        }
        if let fault = BusSubject.fault(of: inboxPrefix) { throw .badSubject(inboxPrefix, fault) }
        try credentials.check()
    }
}

/// Where a server is.
public struct NATSServer: Sendable, Equatable, CustomStringConvertible {
    /// Its host and port.
    public let address: HostPort
    /// Nothing is said in plain but the server's own greeting.
    public let usesTLS: Bool
    /// The name that its certificate must have.
    public let tlsHost: String
    let credentials: NATSCredentials?

    /// From an address as `NATSSettings` takes it.
    public init(_ text: String) throws(BusError) {
        let wrong = BusError.configuration(
            "'\(Self.withoutSecrets(text))' is no address of a NATS server; write nats://host:4222 or tls://host:4222")
        var rest = text[...]
        var usesTLS = false
        if let scheme = rest.firstRange(of: "://") {
            switch rest[..<scheme.lowerBound] {
            case "nats": break
            case "tls": usesTLS = true
            default: throw wrong
            }
            rest = rest[scheme.upperBound...]
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        var credentials: NATSCredentials?
        if let at = rest.lastIndex(of: "@") {
            let user = rest[..<at]
            if let colon = user.firstIndex(of: ":") {
                credentials = .password(
                    user: String(user[..<colon]), Secret(String(user[user.index(after: colon)...])))
            } else {
                credentials = .token(Secret(String(user)))
            }
            rest = rest[rest.index(after: at)...]
        }
        guard let address = HostPort(String(rest)) ?? HostPort("\(rest):4222"), !address.host.isEmpty else {
            throw wrong
        }
        (self.address, self.usesTLS, tlsHost) = (address, usesTLS, address.host)
        self.credentials = credentials
    }

    /// One that another server has told of: it has a certificate of the same name.
    init?(discovered text: String, by teller: NATSServer) {
        guard let address = HostPort(text), !address.host.isEmpty else { return nil }
        (self.address, usesTLS, tlsHost) = (address, teller.usesTLS, teller.tlsHost)
        credentials = teller.credentials
    }

    public var description: String { "\(usesTLS ? "tls" : "nats")://\(address)" }

    private static func withoutSecrets(_ text: String) -> String {
        text.lastIndex(of: "@").map { "***" + text[$0...] } ?? text
    }
}

/// TLS towards the servers.
public struct NATSTLS: Sendable {
    /// Whose certificates are good.
    public var trust: TLSTrust
    /// For servers that want to see a certificate of the client.
    public var identity: TLSIdentity?

    public init(trust: TLSTrust = .system, identity: TLSIdentity? = nil) {
        (self.trust, self.identity) = (trust, identity)
    }
}

/// How this client proves who it is.
public struct NATSCredentials: Sendable, Equatable {
    private enum Kind: Equatable {
        case none
        case password(user: String, Secret)
        case token(Secret)
        case key(seed: Secret)
        case certificate(Secret, seed: Secret)
    }
    private let kind: Kind

    /// It does not.
    public static let none = NATSCredentials(kind: .none)

    /// A name and its password.
    public static func password(user: String, _ password: Secret) -> NATSCredentials {
        NATSCredentials(kind: .password(user: user, password))
    }

    /// A token that all clients share.
    public static func token(_ token: Secret) -> NATSCredentials { NATSCredentials(kind: .token(token)) }

    /// The seed of an nkey, which begins with `SU`. It never leaves the process: it signs what the server asks.
    public static func key(seed: Secret) -> NATSCredentials { NATSCredentials(kind: .key(seed: seed)) }

    /// A file that `nsc` made, with a user's certificate (a JWT) and the seed of its key.
    public static func file(_ path: String) throws(BusError) -> NATSCredentials {
        let lines: [Secret]
        do throws(SecretFileError) { lines = try Secret.lines(of: path) } catch { throw .configuration("\(error)") }
        guard let (certificate, seed) = NATSCredentialsFile.parse(lines.map(\.revealed)) else {
            throw .configuration(
                "\(path) has no NATS USER JWT or no USER NKEY SEED in it; give the .creds file that nsc made")
        }
        return NATSCredentials(kind: .certificate(Secret(certificate), seed: Secret(seed)))
    }

    func check() throws(BusError) {
        switch kind {
        case .none, .password, .token: break
        case .key(let seed), .certificate(_, let seed): _ = try Self.key(seed)
        }
    }

    private static func key(_ seed: Secret) throws(BusError) -> NATSKey {
        do throws(NATSKeyError) { return try NATSKey(seed: seed.revealed) } catch {
            throw .configuration("the seed of the bus's credentials: \(error)")
        }
    }

    /// A server that gives no nonce asks for no signature.
    func proof(nonce: String?) throws(BusError) -> NATSClientInfo.Proof {
        switch kind {
        case .none: return .none
        case .password(let user, let password): return .password(user: user, password: password.revealed)
        case .token(let token): return .token(token.revealed)
        case .key(let seed):
            guard let nonce else { return .none }
            let key = try Self.key(seed)
            return .key(key.publicText, signature: key.sign(nonce))
        case .certificate(let text, let seed):
            guard let nonce else { return .none }
            return .certificate(text.revealed, signature: try Self.key(seed).sign(nonce))
        }
    }
}
