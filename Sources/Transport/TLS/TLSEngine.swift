import COpenSSL
import Glibc
import OmniwayCrypto

/// One TLS connection without a socket: encrypted bytes come in by `feed`, and leave for the carrier's queue.
@safe
final class TLSEngine {
    enum Step: Equatable {
        case done
        /// The rest must arrive first.
        case needsMore
        /// The peer has said that it sends nothing more.
        case ended
        case failed(CloseReason)
    }

    /// Plain bytes of the longest record.
    static let mostPlain = 16 << 10

    let host: String
    /// Held because OpenSSL calls it.
    private let context: TLSContext
    private let ssl: OpaquePointer
    private let carrier: Link
    private var input = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    /// What is wrong with the peer's certificate.
    var objection: String?
    var objectionToCertificate: (Certificate) -> String? = { _ in nil }
    private(set) var isOpen = false

    init?(_ context: TLSContext, host: String, isServer: Bool, carrier: Link) {
        guard let ssl = unsafe SSL_new(context.handle) else { return nil }
        guard let bio = unsafe BIO_new(CarrierMethods.shared.handle) else {
            unsafe SSL_free(ssl)
            return nil
        }
        (self.context, self.host, self.carrier) = (context, host, carrier)
        unsafe self.ssl = ssl
        // Safe because both pointers go with `ssl`, which goes with this engine.
        let me = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe BIO_set_data(bio, me)
        unsafe BIO_set_init(bio, 1)
        unsafe SSL_set_bio(ssl, bio, bio)
        unsafe SSL_set_ex_data(ssl, 0, me)
        if isServer { unsafe SSL_set_accept_state(ssl) } else { unsafe SSL_set_connect_state(ssl) }
    }

    deinit { unsafe SSL_free(ssl) }

    static func of(_ ssl: OpaquePointer?) -> TLSEngine? {
        guard let me = unsafe SSL_get_ex_data(ssl, 0) else { return nil }
        return unsafe Unmanaged<TLSEngine>.fromOpaque(me).takeUnretainedValue()
    }

    // For the tickets of a server.
    var ticketKeys: TLSTicketKeys? { context.ticketKeys }
    var now: Moment { carrier.loop.now }

    func objection(to certificate: Certificate) -> String? { objectionToCertificate(certificate) }

    // MARK: As a client

    /// Whom the certificate must name. An address is not sent as a server name; it must stand in the certificate too,
    /// without its scope, which only this machine knows.
    func expectHost() -> Bool {
        if SocketAddress(host: host, port: 0) != nil {
            let digits = String(host.prefix { $0 != "%" })
            return unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), digits) == 1
        }
        return unsafe omniway_set_server_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1
    }

    func resume() { if let session = context.sessions.take() { unsafe SSL_set_session(ssl, session.handle) } }

    static func keepSession(_ session: OpaquePointer?, of ssl: OpaquePointer?) -> Int32 {
        guard let session = unsafe session, let engine = unsafe of(ssl) else { return 0 }
        engine.context.sessions.keep(unsafe TLSSession(owning: session))
        return 1  // The reference is kept.
    }

    // MARK: Steps

    /// Lets OpenSSL read from `bytes` during `body`; how many it has read.
    func feed(_ bytes: RawSpan, _ body: () -> Void) -> Int {
        unsafe bytes.withUnsafeBytes { bytes in
            // Safe because OpenSSL reads only within `body`.
            unsafe input = bytes
            body()
            let rest = unsafe input.count
            unsafe input = UnsafeRawBufferPointer(start: nil, count: 0)
            return bytes.count - rest
        }
    }

    func handshake() -> Step {
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(ssl)
        if result == 1 { isOpen = true }
        return result == 1 ? .done : step(after: result, broken: .handshakeFailed)
    }

    /// Fills `buffer` as far as possible; with `.done` there may be more, if `hasMore`.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> (count: Int, step: Step) {
        var total = 0
        while total < buffer.count, hasMore {
            var count = 0
            forgetErrors()
            let result = unsafe SSL_read_ex(
                ssl, buffer.baseAddress.map { unsafe $0 + total }, buffer.count - total, &count)
            if result != 1 { return (total, step(after: result, broken: .tlsBroken)) }
            total += count
        }
        return (total, .done)
    }

    /// Encrypts into the carrier's queue, until that is full; how much was taken.
    func write(_ bytes: RawSpan, evenIfFull: Bool = false) -> Int {
        unsafe bytes.withUnsafeBytes { bytes in
            var total = 0
            while total < bytes.count, evenIfFull || !carrier.isFull, carrier.state == .open {
                var count = 0
                forgetErrors()
                let rest = bytes.count - total
                guard unsafe SSL_write_ex(ssl, bytes.baseAddress.map { unsafe $0 + total }, rest, &count) == 1 else {
                    break
                }
                total += count
            }
            return total
        }
    }

    /// Tells the peer that nothing more will be sent.
    func sayEnd() {
        ERR_clear_error()
        if isOpen { unsafe SSL_shutdown(ssl) }
        ERR_clear_error()
    }

    /// Bytes that OpenSSL has taken and `read` has not given yet.
    var hasPending: Bool { unsafe SSL_has_pending(ssl) == 1 }

    /// Whether `read` may find anything. To ask it in vain costs a good part of what a small message does.
    var hasMore: Bool { unsafe !input.isEmpty || hasPending }

    /// Errors of others on this thread would be taken for this engine's. There are none as a rule, and looking costs
    /// less than clearing.
    private func forgetErrors() { if ERR_peek_error() != 0 { ERR_clear_error() } }

    private func step(after result: Int32, broken: CloseReason) -> Step {
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsMore
        case SSL_ERROR_ZERO_RETURN: return .ended
        default:
            let error = ERR_peek_error()
            ERR_clear_error()
            if let objection { return .failed(.certificateRefused.with(objection)) }
            return .failed(broken.with(TLSTrouble.words(for: error)))
        }
    }

    // MARK: What came of the handshake

    var info: TLSInfo {
        var protocolName: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(ssl, &protocolName, &count)
        let name = unsafe String(decoding: UnsafeBufferPointer(start: protocolName, count: Int(count)), as: UTF8.self)
        let cipher = unsafe SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)).map { unsafe String(cString: $0) }
        let serverName = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { unsafe String(cString: $0) }
        return TLSInfo(
            version: TLSVersion(number: unsafe SSL_version(ssl)), cipher: cipher ?? "",
            protocolName: count == 0 ? nil : name, serverName: serverName, peer: peer.map(TLSPeer.init),
            isResumed: unsafe SSL_session_reused(ssl) == 1)
    }

    private var peer: Certificate? {
        guard let handle = unsafe SSL_get1_peer_certificate(ssl) else { return nil }
        return unsafe Certificate(owning: handle)
    }

    // MARK: For OpenSSL's reads and writes

    /// The next encrypted bytes; zero when nothing is there.
    fileprivate func take(_ count: Int, to place: UnsafeMutablePointer<CChar>) -> Int {
        guard let start = unsafe input.baseAddress else { return 0 }
        let taken = unsafe min(count, input.count)
        unsafe memcpy(place, start, taken)
        unsafe input = UnsafeRawBufferPointer(rebasing: input.dropFirst(taken))
        return taken
    }

    fileprivate func put(_ bytes: RawSpan) { carrier.write(bytes) }
}

/// The carrier as OpenSSL sees it: the methods of a `BIO`.
@safe
private final class CarrierMethods: @unchecked Sendable {  // Safe because it is not changed once it is made.
    static let shared = CarrierMethods()
    let handle: OpaquePointer?

    private init() {
        let method = unsafe BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "omniway link")
        unsafe handle = method
        unsafe BIO_meth_set_read(method) { bio, place, count in
            guard let bio = unsafe bio, let place = unsafe place, let engine = unsafe CarrierMethods.engine(bio) else {
                return -1
            }
            unsafe omniway_bio_is_fine(bio)
            let taken = unsafe engine.take(Int(count), to: place)
            if taken > 0 { return Int32(taken) }
            unsafe omniway_bio_wants_more(bio)
            return -1
        }
        unsafe BIO_meth_set_write(method) { bio, place, count in
            guard let bio = unsafe bio, let place = unsafe place, let engine = unsafe CarrierMethods.engine(bio) else {
                return -1
            }
            unsafe omniway_bio_is_fine(bio)
            unsafe engine.put(RawSpan(_unsafeStart: place, byteCount: Int(count)))
            return count
        }
        // Flushing is the link's business; there is nothing else to control.
        unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    }

    private static func engine(_ bio: OpaquePointer) -> TLSEngine? {
        guard let me = unsafe BIO_get_data(bio) else { return nil }
        return unsafe Unmanaged<TLSEngine>.fromOpaque(me).takeUnretainedValue()
    }
}
