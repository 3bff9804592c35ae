import Glibc
import OmniwayTelemetry

/// The time of day in the words of HTTP, `Sun, 06 Nov 1994 08:49:37 GMT`, made once a second.
final class HTTPDate {
    private var text: [UInt8] = []
    private var validUntil = Moment(nanoseconds: .min)

    func bytes(on loop: Loop) -> [UInt8] {
        if loop.now >= validUntil {
            let time = loop.clock.timeOfDay
            text = Self.format(time.seconds)
            validUntil = loop.now + .nanoseconds(1_000_000_000 - time.nanoseconds)
        }
        return text
    }

    static func format(_ seconds: Int) -> [UInt8] {
        let (day, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
        let date = Timestamp.date(ofDay: day)
        let weekday = weekdays[(day + 4) % 7]  // The first of January 1970 was a Thursday.
        let time = [second / 3600, second / 60 % 60, second % 60].map(twoDigits).joined(separator: ":")
        return Array(
            "\(weekday), \(twoDigits(date.day)) \(months[date.month - 1]) \(date.year) \(time) GMT".utf8)
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}

extension LoopClock {
    /// Seconds since 1970. A manual clock starts there.
    fileprivate var timeOfDay: (seconds: Int, nanoseconds: Int) {
        switch self {
        case .system:
            var time = timespec()
            unsafe clock_gettime(CLOCK_REALTIME, &time)  // Safe because the call only fills the given structure.
            return (time.tv_sec, time.tv_nsec)
        case .manual(let clock):
            let time = Int(clock.now.nanoseconds).quotientAndRemainder(dividingBy: 1_000_000_000)
            return (time.quotient, time.remainder)
        }
    }
}
