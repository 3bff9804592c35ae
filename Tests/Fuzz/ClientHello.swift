import OmniwayWire

/// Any bytes give a hello, an error, or wait for more. What a hello says does not depend on what follows it, and it is
/// not there before it is whole.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzClientHello(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    guard let hello = decode(bytes) else { return 0 }
    #if PLANTED_BUG
        if hello.serverName == "bug" { fatalError("planted") }
    #endif
    precondition(decode(bytes + [0x16, 3, 3]) == hello, "what follows it changed it")
    for cut in bytes.indices where cut < 64 {
        let early = decode(Array(bytes[..<cut]))
        precondition(early == nil || early == hello, "a part of it is another")
    }
    precondition(hello.serverName.map { $0 == $0.lowercased() && !$0.isEmpty } ?? true, "a name that is none")
    return 0
}

private func decode(_ bytes: [UInt8]) -> ClientHello? {
    unsafe bytes.withUnsafeBytes { try? ClientHello.decode(unsafe RawSpan(_unsafeBytes: $0)) }
}
