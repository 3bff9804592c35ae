import OmniwayCrypto
public import OmniwayTelemetry

extension Version {
    /// The version of OpenSSL that this process runs with.
    public static var openSSL: String { LibraryVersions.openSSL }
    /// The version of zlib that this process runs with.
    public static var zlib: String { LibraryVersions.zlib }
}
