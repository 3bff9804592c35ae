import OmniwayWire

/// Any bytes of a client, whole and cut at a place that they choose themselves, get the same answer, and no trap. The
/// first byte chooses the dialect and the stream that is there to be resumed.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSnetServer(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    guard let first = bytes.first else { return 0 }
    let input = Array(bytes.dropFirst())
    let whole = Conversation(first).hears([input])
    let cut = input.isEmpty ? 0 : Int(input[0]) % (input.count + 1)
    precondition(Conversation(first).hears([Array(input[..<cut]), Array(input[cut...])]) == whole, "a cut changed it")
    return 0
}

private struct Conversation {
    private let dialect: SnetDialect
    private var stream: SnetStream

    init(_ choice: UInt8) {
        dialect = choice & 1 == 0 ? .a : .b
        let isFar = choice & 2 != 0
        stream = SnetStream(
            id: 1, key: 5, written: isFar ? .max : 100, read: isFar ? .max - 7 : 50, ring: Int(choice >> 2))
    }

    /// What the server says, and how it ends.
    func hears(_ pieces: [[UInt8]]) -> [[UInt8]] {
        var machine = SnetServerHandshake(dialect)
        var said: [[UInt8]] = []
        var request: SnetResume?
        for piece in pieces {
            var rest = piece[...]
            do {
                while true {
                    let (step, used) = try receive(&machine, rest)
                    rest = rest.dropFirst(used)
                    switch step {
                    case .more: break
                    case .new(let publicKey):
                        said.append(
                            try machine.open(
                                publicKey, id: 9, privateKey: 3, challenge: 7, encrypts: true, ring: 32
                            ).answer)
                        continue
                    case .resume(let asked):
                        #if PLANTED_BUG
                            if asked.id == 1, asked.read > asked.written, asked.written > 300 { fatalError("planted") }
                        #endif
                        request = asked
                        switch machine.answer(asked, for: stream, challenge: 7) {
                        case .accepted(let bytes):
                            said.append(bytes)
                            continue
                        case .refused(let bytes, let error): return said + [bytes, Array("\(error)".utf8)]
                        }
                    case .done:
                        var resumed = stream
                        if let request {
                            let again = try resumed.resume(
                                peerWritten: request.written, peerRead: request.read, told: stream.read)
                            precondition(again <= 100, "more is sent again than was written lately")
                        }
                        return said + [[1]]
                    }
                    break
                }
            } catch {
                return said + [Array("\(error)".utf8)]
            }
        }
        return said
    }
}

private func receive(
    _ machine: inout SnetServerHandshake, _ bytes: ArraySlice<UInt8>
) throws -> (SnetServerHandshake.Step, used: Int) {
    try unsafe Array(bytes).withUnsafeBytes { raw in
        var reader = ByteReader(unsafe RawSpan(_unsafeBytes: raw))
        let step = try machine.receive(&reader)
        return (step, reader.offset)
    }
}
