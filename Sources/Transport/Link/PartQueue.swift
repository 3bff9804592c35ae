/// Bytes that many links send: serialized once, held once.
public final class SharedBytes: Sendable {
    private let storage: [UInt8]
    public init(_ bytes: [UInt8]) { storage = bytes }
    public var count: Int { storage.count }

    func withBytes<R>(from offset: Int, _ body: (RawSpan) -> R) -> R {
        unsafe storage.withUnsafeBytes { unsafe body(RawSpan(_unsafeBytes: $0).extracting(droppingFirst: offset)) }
    }
}

/// How an outbound queue is cut: into messages, or by shared bytes between its own.
struct PartQueue {
    struct Part {
        /// Bytes left to send: of the link's queue, or at the end of `shared`.
        var count: Int
        var shared: SharedBytes?
        /// Nothing may be added, and the driver hears of the end.
        var endsMessage: Bool
        let kind: MessageKind
    }

    private var parts: [Part] = []
    private var head = 0
    /// Most parts that may wait: an endless row of empty messages must meet a limit too.
    static let most = 1 << 16

    private(set) var sharedCount = 0
    /// Bytes of the link's queue that belong to a message without an end yet.
    var unended: Int { isUnended ? parts.last?.count ?? 0 : 0 }
    /// Something was begun that has no end yet; it may be empty.
    var isUnended: Bool {
        guard let last = parts.last, head < parts.count else { return false }
        return last.shared == nil && !last.endsMessage
    }
    var count: Int { parts.count - head }

    var isEmpty: Bool { head == parts.count }
    var first: Part? { isEmpty ? nil : parts[head] }

    mutating func appendOwned(_ count: Int, endsMessage: Bool, _ kind: MessageKind) {
        if let last = parts.indices.last, last >= head, parts[last].shared == nil, !parts[last].endsMessage {
            parts[last].count += count
            parts[last].endsMessage = endsMessage
        } else {
            parts.append(Part(count: count, shared: nil, endsMessage: endsMessage, kind: kind))
        }
    }

    mutating func appendShared(_ bytes: SharedBytes, _ kind: MessageKind) {
        parts.append(Part(count: bytes.count, shared: bytes, endsMessage: true, kind: kind))
        sharedCount += bytes.count
    }

    /// Forgets a message that has not ended; how many bytes it had in the link's queue.
    mutating func cutUnended() -> Int {
        guard isUnended else { return 0 }
        return parts.removeLast().count
    }

    /// Everything that waits on a stream, in its order. `owned` is the link's queue.
    func joined(with owned: RawSpan) -> SharedBytes {
        var bytes: [UInt8] = []
        var at = 0
        for part in parts[head...] {
            if let shared = part.shared {
                shared.withBytes(from: shared.count - part.count) { bytes.append(contentsOf: $0) }
            } else {
                bytes.append(contentsOf: owned.extracting(at..<at + part.count))
                at += part.count
            }
        }
        return SharedBytes(bytes)
    }

    /// The first part has shrunk by `count` bytes; with the last of them it is gone.
    mutating func sent(_ count: Int) {
        if parts[head].shared != nil { sharedCount -= count }
        parts[head].count -= count
        guard parts[head].count == 0 else { return }
        parts[head].shared = nil
        head += 1
        if head == parts.count {
            parts.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 64, head * 2 >= parts.count {
            parts.removeFirst(head)
            head = 0
        }
    }
}
