/// How much one link may bring in: so many frames and bytes a second, and as much at once.
package struct LinkMeter: Sendable {
    private let frames: Double
    private let bytes: Double
    private var frameTokens: Double
    private var byteTokens: Double
    private var filledAt: Duration

    package init(frames: Double, bytes: Double, at now: Duration) {
        (self.frames, self.bytes, filledAt) = (frames, bytes, now)
        (frameTokens, byteTokens) = (frames, bytes)
    }

    package mutating func count(bytes: Int) {
        frameTokens -= 1
        byteTokens -= Double(bytes)
    }

    /// How long to read nothing now; nil when there is no need.
    package mutating func pause(at now: Duration) -> Duration? {
        let time = (now - filledAt) / .seconds(1)
        filledAt = now
        frameTokens = min(frames, frameTokens + time * frames)
        byteTokens = min(bytes, byteTokens + time * bytes)
        let debt = max(-frameTokens / frames, -byteTokens / bytes)
        return debt > 0 ? .seconds(debt) : nil
    }
}
