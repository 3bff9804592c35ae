import COpenSSL
import OmniwayCrypto
import OmniwayTelemetry

/// The keys by which a server encrypts its sessions into tickets, and reads them again. They are replaced when they
/// have served for as long as a session lives; those before them are kept as long again, to read only.
final class TLSTicketKeys: Sendable {
    private struct Key {
        let name = SecretBytes.random(16)
        let cipher = SecretBytes.random(32)
        let mac = SecretBytes.random(32)
    }
    private struct State {
        var current = Key()
        var last: Key?
        /// When the current one was used first.
        var since: Moment?
    }
    private let state = Lock(State())
    /// That of OpenSSL's sessions.
    private static let lifetime = Duration.seconds(2 * 3600)

    init() {}

    private func keys(at now: Moment) -> State {
        state.withLock { state in
            guard let since = state.since else {
                state.since = now
                return state
            }
            if now - since >= Self.lifetime {
                state = State(last: now - since < Self.lifetime * 2 ? state.current : nil, since: now)
            }
            return state
        }
    }

    /// What OpenSSL asks: prepares the two contexts for a new ticket, or for one that a client shows.
    static let prepare:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?, OpaquePointer?,
            Int32
        ) -> Int32 = { ssl, name, vector, cipher, mac, isNew in
            guard let engine = unsafe TLSEngine.of(ssl), let keys = engine.ticketKeys?.keys(at: engine.now),
                let name = unsafe name, let vector = unsafe vector
            else { return -1 }
            // Safe because OpenSSL gives 16 bytes of each.
            let shown = unsafe UnsafeMutableBufferPointer(start: name, count: 16)
            if isNew == 1 {
                guard unsafe RAND_bytes(vector, 16) == 1 else { return -1 }
                _ = unsafe shown.update(fromContentsOf: keys.current.name)
                let isReady =
                    unsafe use(keys.current, mac)
                    && EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nil, keys.current.cipher, vector) == 1
                return isReady ? 1 : -1
            }
            let isCurrent = unsafe shown.elementsEqual(keys.current.name)
            guard let key = isCurrent ? keys.current : keys.last, unsafe shown.elementsEqual(key.name) else {
                return 0  // Its key is gone: a full handshake.
            }
            let isReady =
                unsafe use(key, mac) && EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipher, vector) == 1
            if !isReady { return -1 }
            // Two asks for a new ticket. In TLS 1.3 each is used once.
            let staysGood = unsafe isCurrent && SSL_version(ssl) < TLS1_3_VERSION
            return staysGood ? 1 : 2
        }

    private static func use(_ key: Key, _ mac: OpaquePointer?) -> Bool {
        unsafe omniway_mac_init_sha256(mac, key.mac, key.mac.count) == 1
    }
}
