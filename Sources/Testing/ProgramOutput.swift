import OmniwayTransport

/// What a program prints, line by line, and who waits for a line. It lives on a loop, as any link's handler does.
final class ProgramOutput: LinkHandler {
    private struct Waiter {
        let matches: @Sendable (String) -> Bool
        let continuation: CheckedContinuation<Bool, Never>
    }
    private static let mostLines = 10_000

    private(set) var lines: [String] = []
    private var partial: [UInt8] = []
    private var hasEnded = false
    private var waiters: [UInt64: Waiter] = [:]
    private var nextWaiter: UInt64 = 0

    func wait(
        for matches: @escaping @Sendable (String) -> Bool, within limit: Duration,
        _ continuation: CheckedContinuation<Bool, Never>, on loop: Loop
    ) {
        if lines.contains(where: matches) { return continuation.resume(returning: true) }
        if hasEnded { return continuation.resume(returning: false) }
        nextWaiter += 1
        waiters[nextWaiter] = Waiter(matches: matches, continuation: continuation)
        loop.after(limit, self, token: nextWaiter)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        unsafe bytes.withUnsafeBytes { unsafe partial.append(contentsOf: $0) }
        while let end = partial.firstIndex(of: UInt8(ascii: "\n")) {
            add(String(decoding: partial[..<end], as: UTF8.self))
            partial.removeSubrange(...end)
        }
        return bytes.byteCount
    }

    private func add(_ line: String) {
        lines.append(line)
        if lines.count > Self.mostLines { lines.removeFirst(Self.mostLines / 2) }
        for (id, waiter) in waiters where waiter.matches(line) { answer(id, true) }
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        if !partial.isEmpty { add(String(decoding: partial, as: UTF8.self)) }
        hasEnded = true
        for id in waiters.keys { answer(id, false) }
    }

    private func answer(_ id: UInt64, _ found: Bool) {
        waiters.removeValue(forKey: id)?.continuation.resume(returning: found)
    }
}

extension ProgramOutput: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) { answer(token, false) }
}
