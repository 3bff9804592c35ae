import OmniwayWire

/// Any bytes give a header, an error, or wait for more. A header needs exactly its own bytes, and written again it is
/// read as itself.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzProxyHeader(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    guard let (header, size) = decode(bytes) else { return 0 }
    #if PLANTED_BUG
        if case .proxied(.ipv6, .ipv6(_, _, port: 443)) = header { fatalError("planted") }
    #endif
    precondition(decode(Array(bytes[..<size]))?.header == header, "it read beyond its end")
    precondition(decode(Array(bytes[..<(size - 1)])) == nil, "it is there before its last byte")
    let again = decode(header.binary)
    precondition(again?.header == header && again?.size == header.binary.count, "written, it is another")
    return 0
}

private func decode(_ bytes: [UInt8]) -> (header: ProxyHeader, size: Int)? {
    unsafe bytes.withUnsafeBytes { try? ProxyHeader.decode(unsafe RawSpan(_unsafeBytes: $0)) }
}
