import COpenSSL
import CZlib

/// What the libraries call themselves that this process runs with. Safe because they answer with constants.
package enum LibraryVersions {
    package static var openSSL: String { unsafe String(cString: OpenSSL_version(OPENSSL_VERSION_STRING)) }
    package static var zlib: String { unsafe String(cString: zlibVersion()) }
}
