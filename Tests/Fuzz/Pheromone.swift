import OmniwayWire

/// Any bytes, whole and cut at a place that they choose themselves, hold the same messages of the original; each reads,
/// or is refused, and writes as what it reads as.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPheromone(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let cut = unsafe Int(data[0]) % count
    let bytes = unsafe Array(UnsafeBufferPointer(start: data + 1, count: count - 1))
    var whole = Listener()
    whole.hear(bytes)
    var halves = Listener()
    halves.hear(Array(bytes[..<cut]))
    halves.hear(Array(bytes[cut...]))
    precondition(whole.messages == halves.messages, "a cut changed the messages")
    precondition(whole.isOver == halves.isOver, "a cut changed the refusal")
    for message in whole.messages {
        guard let read = try? PheromoneMessage(message) else { continue }
        precondition((try? PheromoneMessage(read.bytes)) == read, "it writes as something else")
        _ = MeshUpgrade(in: message)
        _ = try? PheromoneGreeting(read.data)
        #if PLANTED_BUG
            if read.operation == .getRequest { fatalError("planted") }
        #endif
    }
    return 0
}

private struct Listener {
    private var reader = PheromoneReader(maxMessageSize: 4096)
    private var unread: [UInt8] = []
    private(set) var messages: [[UInt8]] = []
    private(set) var isOver = false

    mutating func hear(_ more: [UInt8]) {
        if isOver { return }
        unread += more
        let all = unread
        var start = 0
        unsafe all.withUnsafeBytes { raw in
            let span = unsafe RawSpan(_unsafeBytes: raw)
            do throws(PheromoneReader.Violation) {
                while let range = try reader.next(in: span, at: &start) { messages.append(Array(all[range])) }
            } catch { isOver = true }
        }
        unread.removeFirst(start)
    }
}
