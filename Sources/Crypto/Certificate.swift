import COpenSSL

/// An X.509 certificate: who it names, until when, and its fingerprint.
@safe
package final class Certificate: @unchecked Sendable {  // Safe because it is never changed once it is made.
    /// The `X509` of OpenSSL, for TLS.
    package let handle: OpaquePointer

    /// Takes over one reference.
    package init(owning handle: OpaquePointer) { unsafe self.handle = handle }

    /// One that somebody else owns.
    package init(sharing handle: OpaquePointer) {
        unsafe X509_up_ref(handle)
        unsafe self.handle = handle
    }

    deinit { unsafe X509_free(handle) }

    /// All certificates of a PEM text, in their order.
    package static func all(inPEM text: [UInt8]) throws(PEMError) -> [Certificate] {
        let memory = MemoryText(text)
        var certificates: [Certificate] = []
        while let handle = unsafe PEM_read_bio_X509(memory.handle, nil, refusePassword, nil) {
            certificates.append(unsafe Certificate(owning: handle))
        }
        // The reader says "no start line" at the end as well as before the first.
        let error = ERR_peek_last_error()
        ERR_clear_error()
        if certificates.isEmpty { throw .noCertificate }
        guard ERR_GET_REASON(error) == PEM_R_NO_START_LINE else { throw .broken(lastWords(of: error)) }
        return certificates
    }

    /// SHA-256 of the whole certificate.
    package var fingerprint: [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        let isDone = unsafe X509_digest(handle, EVP_sha256(), &digest, nil) == 1
        precondition(isDone, "OpenSSL has no SHA-256")
        return digest
    }

    package var subject: String { unsafe name(X509_get_subject_name(handle)) }
    package var issuer: String { unsafe name(X509_get_issuer_name(handle)) }
    package var validFrom: String { unsafe date(X509_get0_notBefore(handle)) }
    package var validUntil: String { unsafe date(X509_get0_notAfter(handle)) }
    package var hasExpired: Bool { unsafe X509_cmp_current_time(X509_get0_notAfter(handle)) != 1 }

    /// The host names and addresses that it is for, as "DNS:a.example" and "IP Address:10.0.0.1".
    package var names: [String] {
        guard let names = unsafe omniway_alternative_names(handle) else {
            ERR_clear_error()
            return []
        }
        defer { unsafe GENERAL_NAMES_free(names) }
        // One by one: a name may have a comma in it.
        return unsafe (0..<omniway_name_count(names)).map { index in
            let memory = MemoryText()
            unsafe GENERAL_NAME_print(memory.handle, omniway_name(names, index))
            return memory.text
        }
    }

    package func covers(host: String, byWildcard: Bool) -> Bool {
        let flags = byWildcard ? 0 : UInt32(X509_CHECK_FLAG_NO_WILDCARDS)
        return unsafe X509_check_host(handle, host, host.utf8.count, flags, nil) == 1
    }

    package var pem: String {
        let memory = MemoryText()
        unsafe PEM_write_bio_X509(memory.handle, handle)
        return memory.text
    }

    private func name(_ name: OpaquePointer?) -> String {
        let memory = MemoryText()
        unsafe X509_NAME_print_ex(memory.handle, name, 0, omniway_name_flags)
        return memory.text
    }

    private func date(_ time: UnsafePointer<ASN1_TIME>?) -> String {
        var parts = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(time, &parts) == 1 else { return "an unreadable date" }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return unsafe "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)) UTC"
    }
}

/// The private half of a key pair.
@safe
package final class PrivateKey: @unchecked Sendable {  // Safe because it is never changed once it is made.
    /// The `EVP_PKEY` of OpenSSL, for TLS.
    package let handle: OpaquePointer

    init(owning handle: OpaquePointer) { unsafe self.handle = handle }
    deinit { unsafe EVP_PKEY_free(handle) }

    package convenience init(pem text: [UInt8]) throws(PEMError) {
        let memory = MemoryText(text)
        guard let handle = unsafe PEM_read_bio_PrivateKey(memory.handle, nil, refusePassword, nil) else {
            let error = ERR_peek_last_error()
            ERR_clear_error()
            let words = String(decoding: text, as: UTF8.self)
            throw words.contains("PRIVATE KEY-----") ? .broken(lastWords(of: error)) : .noKey
        }
        unsafe self.init(owning: handle)
    }

    package func matches(_ certificate: Certificate) -> Bool {
        defer { ERR_clear_error() }
        return unsafe X509_check_private_key(certificate.handle, handle) == 1
    }

    package var pem: String {
        let memory = MemoryText()
        unsafe PEM_write_bio_PKCS8PrivateKey(memory.handle, handle, nil, nil, 0, nil, nil)
        return memory.text
    }
}

/// What is wrong with a PEM text.
package enum PEMError: Error, Equatable {
    case noCertificate, noKey
    case broken(String)
}

/// OpenSSL would ask for the password of an encrypted key at the terminal.
func refusePassword(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ isWriting: Int32, _ user: UnsafeMutableRawPointer?
) -> Int32 { -1 }

/// What OpenSSL says of an error.
package func lastWords(of error: UInt) -> String {
    guard let reason = unsafe ERR_reason_error_string(error) else { return "error \(error)" }
    return unsafe String(cString: reason)
}

/// A text in memory as OpenSSL reads and writes it.
@safe
package final class MemoryText {
    package let handle: OpaquePointer

    package init(_ text: [UInt8] = []) {
        guard let handle = unsafe BIO_new(BIO_s_mem()) else { fatalError("out of memory for a text") }
        unsafe self.handle = handle
        if !text.isEmpty { unsafe BIO_write(handle, text, Int32(clamping: text.count)) }
    }
    deinit { unsafe BIO_free(handle) }

    package var text: String {
        var bytes = [UInt8](repeating: 0, count: unsafe BIO_ctrl_pending(handle))
        let count = unsafe BIO_read(handle, &bytes, Int32(clamping: bytes.count))
        return String(decoding: bytes.prefix(Int(max(0, count))), as: UTF8.self)
    }
}
