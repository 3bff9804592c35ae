public import OmniwayWire

/// The last frames of one link, both ways, for a person who looks at them, and for so long.
///
/// Nobody else pays: a stream that is not watched tests no more than it did, a link of messages one flag more. One that
/// is watched goes the slower ways that links go whose bytes have to wait.
final class LinkWatch {
    let link: LinkID
    private let peer: SocketAddress
    private let format: FrameFormat
    private let began: Moment
    private var inbound: FrameCutter
    private var outbound: FrameCutter
    private var frames: ArraySlice<WatchedFrame> = []
    private var number = 0
    private var timer: TimerID?

    /// Frames that are kept, and links that one loop watches.
    static let mostFrames = 100
    static let most = 8

    fileprivate init(_ link: Link, _ format: FrameFormat, for duration: Duration) {
        (self.link, peer, self.format, began) = (link.id, link.traits.peer, format, link.loop.now)
        (inbound, outbound) = (FrameCutter(format), FrameCutter(format))
        timer = link.loop.after(duration, self)
    }

    func saw(_ bytes: RawSpan, isInbound: Bool, at now: Moment) {
        let age = now - began
        if isInbound {
            inbound.cut(bytes) { add($0, isInbound: true, age) }
        } else {
            outbound.cut(bytes) { add($0, isInbound: false, age) }
        }
    }

    private func add(_ frame: SeenFrame, isInbound: Bool, _ age: Duration) {
        number += 1
        if frames.count == Self.mostFrames { frames.removeFirst() }
        frames.append(WatchedFrame(number: number, age: age, isInbound: isInbound, frame: frame))
    }

    fileprivate func report(isOpen: Bool) -> LinkWatchReport {
        LinkWatchReport(link: link, peer: peer, format: format, isOpen: isOpen, count: number, frames: Array(frames))
    }

    fileprivate func stop(on loop: Loop) {
        if let timer { loop.cancel(timer) }
        loop.link(link)?.isWatched = false
        loop.watches.removeAll { $0 === self }
    }
}

extension LinkWatch: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        stop(on: loop)
    }
}

/// One frame that went over a watched link.
public struct WatchedFrame: Sendable {
    /// Counted from the first one that was seen.
    public let number: Int
    /// How long the watch was under way.
    public let age: Duration
    public let isInbound: Bool
    public let frame: SeenFrame
}

/// What has been seen on one link.
public struct LinkWatchReport: Sendable {
    public let link: LinkID
    public let peer: SocketAddress
    public let format: FrameFormat
    public let isOpen: Bool
    /// Frames in all; only the last ones are here.
    public let count: Int
    public let frames: [WatchedFrame]
}

public enum LinkWatchError: Error, Equatable, CustomStringConvertible {
    case noLink, tooMany

    public var description: String {
        switch self {
        case .noLink: "there is no such connection any more"
        case .tooMany: "\(LinkWatch.most) connections of this loop are watched already; let go of one"
        }
    }
}

extension Loop {
    /// Keeps the last frames of a link for so long, and then forgets them. Without a format they are what the handler
    /// says. A link that is watched already begins anew.
    public func watch(_ id: LinkID, as format: FrameFormat?, for duration: Duration) throws(LinkWatchError) {
        // A person may have typed it: nobody has lived under an even generation.
        guard id.slotID.generation & 1 == 1, let link = link(id) else { throw .noLink }
        stopWatching(id)
        guard watches.count < LinkWatch.most else { throw .tooMany }
        let watch = LinkWatch(link, format ?? link.handler.frameFormat ?? .bytes, for: duration)
        watches.append(watch)
        link.isWatched = true
        // A frame that has begun to arrive.
        link.unread.withBytes { watch.saw($0, isInbound: true, at: now) }
    }

    /// False when it was not watched.
    @discardableResult
    public func stopWatching(_ id: LinkID) -> Bool {
        guard let watch = watches.first(where: { $0.link == id }) else { return false }
        watch.stop(on: self)
        return true
    }

    public var linkWatches: [LinkWatchReport] { watches.map { $0.report(isOpen: link($0.link) != nil) } }
}

extension Link {
    /// Its bytes go past a watch, both ways.
    fileprivate(set) var isWatched: Bool {
        get { flags.contains(.watched) }
        set {
            if newValue { flags.insert(.watched) } else { flags.remove(.watched) }
            writesPlainly()
        }
    }

    @inline(never)
    func showWatch(_ bytes: RawSpan, isInbound: Bool) {
        loop.watches.first { $0.link == id }?.saw(bytes, isInbound: isInbound, at: loop.now)
    }
}
