import OmniwayWire

/// Any bytes are the same events whole and in two pieces, whatever they say costs a carrier no more than its budget,
/// and nothing traps. Nobody reads what arrives: when credit is given back depends on the pieces.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMuxFrame(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let cut = unsafe Int(data[0]) % count
    let bytes = unsafe Array(UnsafeBufferPointer(start: data + 1, count: count - 1))
    var whole = Listener()
    whole.hear(bytes)
    var halves = Listener()
    halves.hear(Array(bytes[..<cut]))
    halves.hear(Array(bytes[cut...]))
    precondition(whole == halves, "a cut changed what was heard")
    return 0
}

private struct Listener: Equatable {
    private var reader = MuxReader()
    private let budget: MuxBudget
    private var mux: Mux
    private var unread: [UInt8] = []
    private var bytes: [UInt32: [UInt8]] = [:]
    private var said: [String] = []
    private var isOver = false

    init() {
        budget = MuxBudget(200 << 10)
        mux = Mux(.accepted, at: .zero, budget: budget)
        for _ in 0..<2 { _ = mux.open(at: .zero) }
    }

    static func == (a: Listener, b: Listener) -> Bool {
        // Pieces of a frame that breaks the rules may have been heard before it does.
        a.said == b.said && a.isOver == b.isOver && a.mux.streamCount == b.mux.streamCount
            && (a.isOver || a.unread == b.unread && a.bytes == b.bytes)
    }

    mutating func hear(_ more: [UInt8]) {
        if isOver { return }
        unread += more
        let all = unread
        var used = 0
        unsafe all.withUnsafeBytes { raw in
            let span = unsafe RawSpan(_unsafeBytes: raw)
            do throws(MuxError) {
                while let event = try reader.next(in: span, from: &used) {
                    take(try mux.receive(event, at: .zero), all)
                    precondition((0...budget.limit).contains(budget.used), "a budget was exceeded")
                }
            } catch {
                said.append("\(error)")
                isOver = true
            }
        }
        unread.removeFirst(used)
        precondition(isOver || unread.count < MuxReader.mostUnread + MuxFrame.controlSize, "too much is left unread")
    }

    private mutating func take(_ action: Mux.Action, _ all: [UInt8]) {
        switch action {
        case .deliver(let slot, let range, let ends):
            bytes[mux.id(of: slot), default: []] += all[range]
            if ends { mux.finished(slot) }
            if mux.isDone(slot) { mux.remove(slot) }
        case .datagram(let slot, let range):
            #if PLANTED_BUG
                if range.count == 5 { fatalError("planted") }
            #endif
            said.append("\(mux.id(of: slot)): \(all[range])")
        case .accept(let slot, let isFlow): said.append("accept \(mux.id(of: slot)) \(isFlow)")
        case .reset(_, let code): said.append("reset \(code)")
        case .goAway(let code): said.append("go away \(code)")
        case .none, .answer, .measured, .mayWrite: break
        }
    }
}
