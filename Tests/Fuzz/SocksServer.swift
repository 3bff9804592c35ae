import OmniwayWire

/// Any bytes of a client, whole and cut at a place that they choose themselves, are the same steps, and no trap. The
/// first byte chooses whether a password is asked for, and is right.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSocksServer(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    guard let first = bytes.first else { return 0 }
    let input = Array(bytes.dropFirst())
    let cut = input.isEmpty ? 0 : Int(input[0]) % (input.count + 1)
    let whole = outcome(first, [input])
    precondition(outcome(first, [Array(input[..<cut]), Array(input[cut...])]) == whole, "a cut changed it")
    return 0
}

private func outcome(_ choice: UInt8, _ pieces: [[UInt8]]) -> [String] {
    var server = SocksServer(asksPassword: choice & 1 == 1)
    var steps: [String] = []
    var unread: [UInt8] = []
    for piece in pieces {
        unread += piece
        do {
            var offset = 0
            while let step = try next(&server, unread, &offset) {
                steps.append("\(step)")
                switch step {
                case .credentials: steps.append("\(server.decide(choice & 2 == 2))")
                case .request(let request):
                    #if PLANTED_BUG
                        if case .ipv4(_, port: 443) = request.place { fatalError("planted") }
                    #endif
                    let written = request.place.bytes
                    precondition(Array(unread[(offset - written.count)..<offset]) == written, "written, it is another")
                case .answer, .refuse: break
                }
            }
            unread.removeFirst(offset)
        } catch { return steps + ["\(error)"] }
    }
    return steps
}

private func next(
    _ server: inout SocksServer, _ bytes: [UInt8], _ offset: inout Int
) throws -> SocksServer.Step? {
    try unsafe bytes.withUnsafeBytes { try server.next(unsafe RawSpan(_unsafeBytes: $0), &offset) }
}
