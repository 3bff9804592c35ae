import COpenSSL

extension Certificate {
    /// A new ECDSA P-256 key and a certificate for it that it signs itself, good for `days` from yesterday on.
    /// Names are host names, wildcards, or IP addresses.
    package static func selfSigned(names: [String], days: Int) throws(SelfSignedError) -> (Certificate, PrivateKey) {
        guard let first = names.first else { throw .noName }
        let alternatives = try names.map { name throws(SelfSignedError) in try alternative(name) }
        guard let keyHandle = unsafe omniway_new_p256_key(), let handle = unsafe X509_new() else {
            throw .refused(lastWords(of: ERR_get_error()))
        }
        let key = unsafe PrivateKey(owning: keyHandle)
        let certificate = unsafe Certificate(owning: handle)
        let day = 24 * 3600
        unsafe X509_set_version(handle, 2)  // Counted from zero: version 3.
        unsafe setSerial(handle)
        // From yesterday, for those whose clock is behind.
        unsafe X509_gmtime_adj(X509_getm_notBefore(handle), -day)
        unsafe X509_gmtime_adj(X509_getm_notAfter(handle), days * day)
        unsafe X509_set_pubkey(handle, keyHandle)
        let subject = unsafe X509_get_subject_name(handle)
        let name = Array(first.utf8.prefix(64))
        unsafe X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, name, Int32(name.count), -1, 0)
        unsafe X509_set_issuer_name(handle, subject)
        try unsafe add(NID_subject_alt_name, alternatives.joined(separator: ","), to: handle)
        try unsafe add(NID_basic_constraints, "critical,CA:FALSE", to: handle)
        try unsafe add(NID_key_usage, "critical,digitalSignature", to: handle)
        try unsafe add(NID_ext_key_usage, "serverAuth,clientAuth", to: handle)
        guard unsafe X509_sign(handle, keyHandle, EVP_sha256()) > 0 else {
            throw .refused(lastWords(of: ERR_get_error()))
        }
        return (certificate, key)
    }

    /// A name as OpenSSL's configuration language has it. Nothing else of that language gets through.
    private static func alternative(_ name: String) throws(SelfSignedError) -> String {
        let isAddress = name.contains(":") || name.allSatisfy { $0.isNumber || $0 == "." }
        let isPlain = name.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "*"),
                UInt8(ascii: "_"), UInt8(ascii: ":"):
                true
            default: false
            }
        }
        guard isPlain, !name.isEmpty, name.utf8.count <= 253 else { throw .badName(name) }
        return isAddress ? "IP:\(name)" : "DNS:\(name)"
    }

    private static func setSerial(_ handle: OpaquePointer) {
        let number = unsafe BN_new()
        unsafe BN_rand(number, 127, -1, 0)
        unsafe BN_to_ASN1_INTEGER(number, X509_get_serialNumber(handle))
        unsafe BN_free(number)
    }

    private static func add(_ kind: Int32, _ value: String, to handle: OpaquePointer) throws(SelfSignedError) {
        guard let part = unsafe X509V3_EXT_conf_nid(nil, nil, kind, value) else {
            ERR_clear_error()
            throw .badName(value)
        }
        unsafe X509_add_ext(handle, part, -1)
        unsafe X509_EXTENSION_free(part)
    }
}

package enum SelfSignedError: Error, Equatable, CustomStringConvertible {
    case noName
    case badName(String)
    case refused(String)

    package var description: String {
        switch self {
        case .noName: "a certificate needs a name; give a host name or an address"
        case .badName(let name): "'\(name)' is no name for a certificate; give host names or IP addresses"
        case .refused(let words): "OpenSSL cannot make a certificate: \(words)"
        }
    }
}
