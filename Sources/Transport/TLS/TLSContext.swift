import COpenSSL
import OmniwayCrypto

/// What is settled before any handshake: certificates, whom to trust, protocols. It is OpenSSL's `SSL_CTX`.
@safe
final class TLSContext: @unchecked Sendable {  // Safe because it is not changed once it is made.
    let handle: OpaquePointer
    /// The first is for clients that name no server, or one that nobody has.
    private let identities: [LoadedIdentity]
    /// As ALPN has them on the wire, the preferred one first.
    let protocols: [UInt8]
    /// Those that servers have offered to resume. With the context they go: whom it trusted may not be trusted now.
    let sessions = TLSSessions()
    /// A server's.
    let ticketKeys: TLSTicketKeys?

    struct Settings: Sendable {
        var protocols: [String] = []
        var minimum = TLSVersion.v12
    }

    /// What both sides have.
    private init(
        isServer: Bool, _ settings: Settings, _ identities: [LoadedIdentity], _ ticketKeys: TLSTicketKeys? = nil
    ) throws(TLSError) {
        guard let handle = unsafe SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
            throw .openSSL("set up TLS")
        }
        unsafe self.handle = handle
        (self.identities, self.ticketKeys) = (identities, ticketKeys)
        var names: [UInt8] = []
        for name in settings.protocols {
            guard let length = UInt8(exactly: name.utf8.count), length > 0 else {
                unsafe SSL_CTX_free(handle)
                throw .badProtocolName(name)
            }
            names += [length] + name.utf8
        }
        protocols = names
        unsafe omniway_ctx_set_modes(handle)
        unsafe SSL_CTX_set_options(handle, omniway_tls_options)
        unsafe omniway_ctx_set_min_version(handle, settings.minimum.number)
        // Of TLS 1.2 only what keeps past connections secret when the key is lost.
        unsafe SSL_CTX_set_cipher_list(handle, "ECDHE+AESGCM:ECDHE+CHACHA20")
        guard unsafe omniway_ctx_set_groups(handle) == 1 else { throw .openSSL("choose the key exchanges of TLS") }
        ERR_clear_error()  // It may not know the newest one.
        if let identity = identities.first { try use(identity) }
    }

    deinit { unsafe SSL_CTX_free(handle) }

    // MARK: Servers

    static func server(
        _ settings: Settings, identities: [LoadedIdentity], clients: TLSClientCertificates,
        ticketKeys: TLSTicketKeys
    ) throws(TLSError) -> TLSContext {
        if identities.isEmpty { throw .noIdentity }
        let context = try TLSContext(isServer: true, settings, identities, ticketKeys)
        try context.check(clients)
        try context.tryOut(identities.dropFirst())
        let handle = unsafe context.handle
        // Tickets hold the sessions, so that the server need not. One is enough for a client that comes back.
        unsafe omniway_ctx_set_session_cache(handle, Int(SSL_SESS_CACHE_OFF))
        unsafe SSL_CTX_set_num_tickets(handle, 1)
        unsafe SSL_CTX_set_tlsext_ticket_key_evp_cb(handle, TLSTicketKeys.prepare)
        unsafe SSL_CTX_set_session_ticket_cb(handle, nil, TLSSession.judgeTicket, nil)
        let name = Array("omniway".utf8)
        unsafe SSL_CTX_set_session_id_context(handle, name, UInt32(name.count))
        let me = unsafe Unmanaged.passUnretained(context).toOpaque()
        // Safe because whoever has an SSL of this context holds the context.
        unsafe omniway_ctx_on_server_name(handle, { ssl, _, me in unsafe TLSContext.chooseIdentity(ssl, me) }, me)
        if !context.protocols.isEmpty {
            unsafe SSL_CTX_set_alpn_select_cb(
                handle,
                { _, out, outCount, offered, count, me in
                    unsafe TLSContext.chooseProtocol(out, outCount, offered, count, me)
                }, me)
        }
        return context
    }

    private static func chooseIdentity(_ ssl: OpaquePointer?, _ me: UnsafeMutableRawPointer?) -> Int32 {
        guard let ssl = unsafe ssl, let me = unsafe me,
            let name = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
        else { return SSL_TLSEXT_ERR_NOACK }
        let context = unsafe Unmanaged<TLSContext>.fromOpaque(me).takeUnretainedValue()
        let host = unsafe String(cString: name)
        // Who asks for a name that nobody has gets the first certificate, and decides.
        let index =
            context.identities.firstIndex { $0.chain[0].covers(host: host, byWildcard: false) }
            ?? context.identities.firstIndex { $0.chain[0].covers(host: host, byWildcard: true) }
        guard let index, index > 0 else { return SSL_TLSEXT_ERR_OK }
        return unsafe show(context.identities[index], on: ssl) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL
    }

    /// Whether this connection can show it.
    private static func show(_ identity: LoadedIdentity, on ssl: OpaquePointer) -> Bool {
        // OpenSSL holds one certificate for each kind of key, and chooses among them by what the client likes.
        unsafe SSL_certs_clear(ssl)
        guard unsafe SSL_use_certificate(ssl, identity.chain[0].handle) == 1,
            unsafe SSL_use_PrivateKey(ssl, identity.key.handle) == 1
        else { return false }
        return identity.chain.dropFirst().allSatisfy { unsafe omniway_add_chain(ssl, $0.handle) == 1 }
    }

    /// What OpenSSL refuses must not come out when the first client asks for it.
    private func tryOut(_ identities: some Sequence<LoadedIdentity>) throws(TLSError) {
        guard let ssl = unsafe SSL_new(handle) else { throw .openSSL("set up TLS") }
        defer { unsafe SSL_free(ssl) }
        for identity in identities {
            guard unsafe Self.show(identity, on: ssl) else { throw .unusable(identity) }
        }
    }

    private static func chooseProtocol(
        _ out: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ outCount: UnsafeMutablePointer<UInt8>?,
        _ offered: UnsafePointer<UInt8>?, _ count: UInt32, _ me: UnsafeMutableRawPointer?
    ) -> Int32 {
        guard let me = unsafe me, let out = unsafe out, let outCount = unsafe outCount else {
            return SSL_TLSEXT_ERR_ALERT_FATAL
        }
        let context = unsafe Unmanaged<TLSContext>.fromOpaque(me).takeUnretainedValue()
        let offer = unsafe Array(UnsafeBufferPointer(start: offered, count: Int(count)))
        guard let range = context.firstOfOurs(in: offer) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        unsafe out.pointee = offered.map { unsafe $0 + range.lowerBound }
        unsafe outCount.pointee = UInt8(range.count)
        return SSL_TLSEXT_ERR_OK
    }

    /// Where the protocol stands in the client's offer that this side likes best.
    private func firstOfOurs(in offer: [UInt8]) -> Range<Int>? {
        let offered = Self.names(in: offer)
        for name in Self.names(in: protocols) {
            if let found = offered.first(where: { offer[$0] == protocols[name] }) { return found }
        }
        return nil
    }

    private static func names(in list: [UInt8]) -> [Range<Int>] {
        var names: [Range<Int>] = []
        var index = 0
        while index < list.count, index + 1 + Int(list[index]) <= list.count {
            names.append(index + 1..<index + 1 + Int(list[index]))
            index += 1 + Int(list[index])
        }
        return names
    }

    private func check(_ clients: TLSClientCertificates) throws(TLSError) {
        guard let trust = clients.trust else { return }
        if case .pins = trust.kind {
            throw .unusable("pins are for hosts that are dialled; ask in the intake whether a client's is known")
        }
        try self.trust(trust)
        let mode = SSL_VERIFY_PEER | (clients.mustShow ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0)
        unsafe SSL_CTX_set_verify(handle, mode, TLSVerification.noteObjection)
    }

    // MARK: Clients

    static func client(
        _ settings: Settings, identity: LoadedIdentity?, trust: TLSTrust
    ) throws(TLSError) -> TLSContext {
        let context = try TLSContext(isServer: false, settings, identity.map { [$0] } ?? [])
        let handle = unsafe context.handle
        try context.trust(trust)
        unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, TLSVerification.noteObjection)
        if !context.protocols.isEmpty {
            unsafe SSL_CTX_set_alpn_protos(handle, context.protocols, UInt32(context.protocols.count))
        }
        unsafe omniway_ctx_set_session_cache(handle, Int(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL))
        unsafe SSL_CTX_sess_set_new_cb(handle) { ssl, session in unsafe TLSEngine.keepSession(session, of: ssl) }
        return context
    }

    // MARK: Both

    private func use(_ identity: LoadedIdentity) throws(TLSError) {
        guard unsafe SSL_CTX_use_certificate(handle, identity.chain[0].handle) == 1,
            unsafe SSL_CTX_use_PrivateKey(handle, identity.key.handle) == 1
        else { throw .unusable(identity) }
        for certificate in identity.chain.dropFirst() { unsafe omniway_ctx_add_chain(handle, certificate.handle) }
    }

    private func trust(_ trust: TLSTrust) throws(TLSError) {
        switch trust.kind {
        case .system: unsafe SSL_CTX_set_default_verify_paths(handle)
        case .anybody, .pins: unsafe SSL_CTX_set_cert_verify_callback(handle, TLSVerification.judgeAlone, nil)
        case .pem(let text): try self.trust(Array(text.utf8), in: "the roots given")
        case .files(let roots, let revocationLists):
            for file in roots { try self.trust(SmallFile.read(file), in: file) }
            for file in revocationLists { try revoke(SmallFile.read(file), in: file) }
        }
    }

    private func trust(_ pem: [UInt8], in place: String) throws(TLSError) {
        let roots: [Certificate]
        do throws(PEMError) { roots = try Certificate.all(inPEM: pem) } catch { throw TLSError(error, in: place) }
        let store = unsafe SSL_CTX_get_cert_store(handle)
        for root in roots {
            unsafe X509_STORE_add_cert(store, root.handle)
            // Told to clients that are asked for a certificate.
            unsafe SSL_CTX_add_client_CA(handle, root.handle)
        }
        // A certificate that was given as a root is trusted itself, whoever signed it.
        unsafe X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
    }

    private func revoke(_ pem: [UInt8], in place: String) throws(TLSError) {
        let memory = MemoryText(pem)
        let store = unsafe SSL_CTX_get_cert_store(handle)
        var count = 0
        while let list = unsafe PEM_read_bio_X509_CRL(memory.handle, nil, nil, nil) {
            unsafe X509_STORE_add_crl(store, list)
            unsafe X509_CRL_free(list)
            count += 1
        }
        ERR_clear_error()
        if count == 0 { throw .noRevocationList(place) }
        unsafe X509_STORE_set_flags(store, UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
    }
}

public enum TLSVersion: Sendable, Comparable, CustomStringConvertible {
    case v12, v13

    public var description: String {
        switch self {
        case .v12: "TLS 1.2"
        case .v13: "TLS 1.3"
        }
    }

    var number: Int32 {
        switch self {
        case .v12: TLS1_2_VERSION
        case .v13: TLS1_3_VERSION
        }
    }

    init(number: Int32) { self = number == TLS1_3_VERSION ? .v13 : .v12 }
}

extension TLSError {
    fileprivate static func unusable(_ identity: LoadedIdentity) -> TLSError {
        .openSSL("use the certificate of \(identity.chain[0].subject)")
    }

    static func openSSL(_ deed: String) -> TLSError {
        let error = ERR_peek_last_error()
        ERR_clear_error()
        return .unusable("OpenSSL cannot \(deed): \(lastWords(of: error))")
    }
}
