/// What a server says about itself in INFO.
package struct NATSServerInfo: Equatable, Sendable {
    package var id = ""
    package var name = ""
    package var version = ""
    package var maxPayload = 1 << 20
    package var hasHeaders = false
    package var requiresTLS = false
    package var offersTLS = false
    package var requiresAuthentication = false
    /// To be signed by clients that have a key.
    package var nonce: String?
    /// Where else clients are served, as `host:port`.
    package var others: [String] = []
    /// Lame duck mode: it will end soon.
    package var isLeaving = false

    /// What a server allows beyond that is not used, and not taken.
    package static let mostPayload = 64 << 20
    /// Most addresses of others that are taken from one INFO.
    private static let mostOthers = 256

    package init() {}

    package init(json: RawSpan) throws(NATSError) {
        let object: JSON
        do throws(JSON.ReadError) { object = try JSON.Reader.go.read(json) } catch { throw .malformedInfo("\(error)") }
        do throws(JSON.Mismatch) {
            id = try object["server_id"]?.ifNotNull?.string() ?? ""
            name = try object["server_name"]?.ifNotNull?.string() ?? ""
            version = try object["version"]?.ifNotNull?.string() ?? ""
            let size = try object["max_payload"]?.ifNotNull?.int(in: 1...Int.max) ?? maxPayload
            maxPayload = min(size, Self.mostPayload)
            hasHeaders = try object["headers"]?.ifNotNull?.bool() ?? false
            requiresTLS = try object["tls_required"]?.ifNotNull?.bool() ?? false
            let mayUseTLS = try object["tls_available"]?.ifNotNull?.bool() ?? false
            offersTLS = requiresTLS || mayUseTLS
            requiresAuthentication = try object["auth_required"]?.ifNotNull?.bool() ?? false
            nonce = try object["nonce"]?.ifNotNull?.string()
            isLeaving = try object["ldm"]?.ifNotNull?.bool() ?? false
            for url in try object["connect_urls"]?.ifNotNull?.array().prefix(Self.mostOthers) ?? [] {
                others.append(try url.string())
            }
        } catch { throw .malformedInfo("\(error)") }
    }

    /// As a server sends it.
    package var json: [UInt8] {
        var bytes: [UInt8] = []
        JSON.Writer().writeObject(to: &bytes) { members in
            members.member("server_id", id)
            members.member("server_name", name)
            members.member("version", version)
            members.member("max_payload", maxPayload)
            members.member("headers", hasHeaders)
            if requiresTLS {
                members.member("tls_required", true)
            } else if offersTLS {
                members.member("tls_available", true)
            }
            if requiresAuthentication { members.member("auth_required", true) }
            if let nonce { members.member("nonce", nonce) }
            if isLeaving { members.member("ldm", true) }
            if !others.isEmpty { members.member("connect_urls", .array(others.map { .string($0) })) }
        }
        return bytes
    }
}

/// What a client says about itself in CONNECT.
package struct NATSClientInfo: Equatable, Sendable {
    /// How a client proves who it is.
    package enum Proof: Equatable, Sendable {
        case none
        case password(user: String, password: String)
        case token(String)
        /// A public key, and its signature of the server's nonce.
        case key(String, signature: String)
        /// A user's certificate of the NATS kind, and the signature of its key.
        case certificate(String, signature: String)
    }

    package var name: String
    package var version: String
    package var usesTLS: Bool
    package var proof: Proof

    package init(name: String, version: String, usesTLS: Bool, proof: Proof) {
        (self.name, self.version, self.usesTLS, self.proof) = (name, version, usesTLS, proof)
    }

    package var json: [UInt8] {
        var bytes: [UInt8] = []
        JSON.Writer().writeObject(to: &bytes) { members in
            members.member("verbose", false)
            members.member("pedantic", false)
            members.member("tls_required", usesTLS)
            members.member("name", name)
            members.member("lang", "swift")
            members.member("version", version)
            members.member("protocol", 1)
            members.member("echo", true)
            members.member("headers", true)
            members.member("no_responders", true)
            switch proof {
            case .none: break
            case .password(let user, let password):
                members.member("user", user)
                members.member("pass", password)
            case .token(let token): members.member("auth_token", token)
            case .key(let key, let signature):
                members.member("nkey", key)
                members.member("sig", signature)
            case .certificate(let text, let signature):
                members.member("jwt", text)
                members.member("sig", signature)
            }
        }
        return bytes
    }
}
