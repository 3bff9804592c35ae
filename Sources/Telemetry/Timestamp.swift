import Glibc

/// A moment of the wall clock, shown as `2025-11-21T06:45:20.123456Z`.
package struct Timestamp: Sendable, Equatable {
    package let seconds: Int
    package let nanoseconds: Int

    package init(seconds: Int, nanoseconds: Int) { (self.seconds, self.nanoseconds) = (seconds, nanoseconds) }

    package var text: String {
        var line: [UInt8] = []
        append(to: &line)
        return String(decoding: line, as: UTF8.self)
    }

    package static func now() -> Timestamp {
        var time = timespec()
        // Safe because the call only fills the given structure.
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }

    /// Appends the moment in UTC. It always has the same length, so sorted lines are in order.
    func append(to line: inout [UInt8]) {
        let (day, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
        let (year, month, dayOfMonth) = Self.date(ofDay: day)
        Self.append(year, digits: 4, then: "-", to: &line)
        Self.append(month, digits: 2, then: "-", to: &line)
        Self.append(dayOfMonth, digits: 2, then: "T", to: &line)
        Self.append(second / 3600, digits: 2, then: ":", to: &line)
        Self.append(second / 60 % 60, digits: 2, then: ":", to: &line)
        Self.append(second % 60, digits: 2, then: ".", to: &line)
        Self.append(nanoseconds / 1000, digits: 6, then: "Z", to: &line)
    }

    /// The date of a day counted from 1970 on. Counted from 1 March of year 0, a leap day is the last of its year and
    /// the months repeat a pattern of five with 153 days.
    package static func date(ofDay day: Int) -> (year: Int, month: Int, day: Int) {
        let (era, dayOfEra) = (day + 719_468).quotientAndRemainder(dividingBy: 146_097)  // 400 years each.
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153  // March is 0.
        let isNextYear = month >= 10
        return (
            year: 400 * era + yearOfEra + (isNextYear ? 1 : 0), month: month + (isNextYear ? -9 : 3),
            day: dayOfYear - (153 * month + 2) / 5 + 1
        )
    }

    private static func append(_ number: Int, digits: Int, then end: Unicode.Scalar, to line: inout [UInt8]) {
        var rest = number
        line.append(contentsOf: repeatElement(0, count: digits))
        for index in (line.count - digits..<line.count).reversed() {
            line[index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        line.append(UInt8(ascii: end))
    }
}
