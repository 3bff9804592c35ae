import OmniwayCrypto
import OmniwayWire

/// Any bytes, whole and cut at a place that they choose themselves, are heard in the same way, and nothing traps. What
/// was masked twice is what it was.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzWebSocketFrame(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    let choices = unsafe (data[0], data[1])
    let bytes = unsafe Array(UnsafeBufferPointer(start: data + 2, count: count - 2))
    let role: WebSocketRole = choices.0 & 1 == 0 ? .server : .client
    let scratch = 512 + Int(choices.0 >> 3) * 64
    let cut = Int(choices.1) % (bytes.count + 1)
    for compresses in [false, true] {
        let whole = Listener(role, compresses, keepsContext: choices.0 & 2 == 0, scratch)
        whole.hear(bytes)
        let halves = Listener(role, compresses, keepsContext: choices.0 & 2 == 0, scratch)
        halves.hear(Array(bytes[..<cut]))
        halves.hear(Array(bytes[cut...]))
        precondition(whole.said == halves.said, "a cut changed what was heard")
    }
    checkMask(bytes, key: UInt32(choices.0) << 24 | UInt32(choices.1))
    return 0
}

/// Writes down what a reader says: events, and the bytes of messages however they are cut.
private final class Listener {
    private let compresses: Bool
    private var reader: WebSocketReader
    private var scratch: [UInt8]
    private var unread: [UInt8] = []
    private var isOver = false
    private(set) var said: [String] = []
    private var message: [UInt8] = []

    init(_ role: WebSocketRole, _ compresses: Bool, keepsContext: Bool, _ scratch: Int) {
        self.compresses = compresses
        reader = WebSocketReader(role, maxMessageSize: 100_000)
        if compresses { reader.inflates(by: DeflatePool(), windowBits: 15, keepsContext: keepsContext) }
        self.scratch = [UInt8](repeating: 0, count: scratch)
    }

    func hear(_ bytes: [UInt8]) {
        if isOver { return }
        unread += bytes
        var used = 0
        unsafe unread.withUnsafeBytes { raw in
            unsafe scratch.withUnsafeMutableBytes { scratch in
                let span = unsafe RawSpan(_unsafeBytes: raw)
                do throws(WebSocketError) {
                    while let event = unsafe try reader.next(in: span, from: &used, scratch: scratch) {
                        unsafe note(event, span, scratch)
                    }
                } catch {
                    // Of two faults in a compressed message, the cut decides which is found first.
                    said.append(compresses ? "error" : "\(error)")
                    isOver = true
                }
            }
        }
        unread.removeFirst(used)
        precondition(isOver || unread.count < 14 + 125, "more is left unread than a control frame")
    }

    private func note(_ event: WebSocketEvent, _ span: RawSpan, _ scratch: UnsafeMutableRawBufferPointer) {
        switch event {
        case .piece(let kind, let place, let ends):
            unsafe place.span(span, scratch).withUnsafeBytes { unsafe message.append(contentsOf: $0) }
            precondition(message.count <= 100_000, "a message is larger than it may be")
            if ends {
                said.append("\(kind) \(message)")
                if kind == .text { precondition(String(validating: message, as: UTF8.self) != nil, "not UTF-8") }
                message = []
            }
        case .ping(let place):
            #if PLANTED_BUG
                if place.range.count == 5 { fatalError("planted") }
            #endif
            said.append("ping \(place.range.count)")
        case .pong: said.append("pong")
        case .close(let close): said.append("close \(close)")
        }
    }
}

private func checkMask(_ bytes: [UInt8], key: UInt32) {
    let mask = WebSocketMask(key)
    var once = bytes
    for _ in 0..<2 {
        let from = once
        unsafe from.withUnsafeBytes { from in
            unsafe once.withUnsafeMutableBytes { to in
                if let to = to.baseAddress { unsafe mask.apply(RawSpan(_unsafeBytes: from), to: to) }
            }
        }
    }
    precondition(once == bytes, "masking twice changed the bytes")
}
