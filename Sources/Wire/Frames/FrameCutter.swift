/// A frame that went over a link, as far as it was kept.
public struct SeenFrame: Sendable, Equatable {
    /// Its beginning.
    public let head: [UInt8]
    /// How many bytes it had in all.
    public let count: Int
    /// It is what the format says. What is not ends with the bytes that came together.
    public let isReadable: Bool

    var isWhole: Bool { head.count == count }
}

/// Cuts one direction of a flow into frames, and keeps the beginning of each: frames of any size cost the same.
///
/// What is no frame is given as it is, up to where those bytes end, and what comes then is taken for a beginning: a
/// flow that is looked at from its middle falls into step.
public struct FrameCutter: Sendable {
    /// Most bytes that are kept of a frame.
    public static let kept = 1024

    private let format: FrameFormat
    /// Of the frame under way: how far it goes, what is kept of it, and how much of it has come.
    private var extent = FrameFormat.Extent.unknown
    private var head: [UInt8] = []
    private var count = 0
    private var brackets = BracketScan()

    public init(_ format: FrameFormat) { self.format = format }

    /// Goes on with what has come next.
    public mutating func cut(_ bytes: RawSpan, _ found: (SeenFrame) -> Void) {
        var offset = 0
        while offset < bytes.byteCount {
            let rest = bytes.byteCount - offset
            if format == .bytes { extent = .known(rest) }
            switch extent {
            case .unknown: begin(bytes.byte(offset), &offset)
            case .known(let size): keep(bytes, min(size - count, rest), &offset)
            case .wrong: keep(bytes, rest, &offset)
            }
            if isOver(atEnd: offset == bytes.byteCount) { found(end()) }
        }
    }

    /// One byte more of a frame whose size is not known.
    private mutating func begin(_ byte: UInt8, _ offset: inout Int) {
        offset += 1
        let isSpace = byte == 0x20 || (0x09...0x0d).contains(byte) || byte == 0
        if format == .mesh, count == 0, isSpace { return }
        if head.count < Self.kept { head.append(byte) }
        count += 1
        extent = format.extent(of: head)
        if format == .mesh, case .unknown = extent {
            brackets.look(at: byte)
            if brackets.isAtEnd { extent = .known(count) }
        }
    }

    private mutating func keep(_ bytes: RawSpan, _ step: Int, _ offset: inout Int) {
        head += bytes.array(offset..<offset + min(step, Self.kept - head.count))
        count += step
        offset += step
    }

    private func isOver(atEnd: Bool) -> Bool {
        switch extent {
        case .unknown: false
        case .known(let size): size == count
        case .wrong: atEnd
        }
    }

    private mutating func end() -> SeenFrame {
        let isReadable = if case .wrong = extent { false } else { true }
        let frame = SeenFrame(head: head, count: count, isReadable: isReadable)
        (extent, head, count, brackets) = (.unknown, [], 0, BracketScan())
        return frame
    }
}
