import Glibc
import Testing

@testable import OmniwayTelemetry

struct TimestampTests {
    private func text(_ seconds: Int, _ nanoseconds: Int = 0) -> String {
        var line: [UInt8] = []
        Timestamp(seconds: seconds, nanoseconds: nanoseconds).append(to: &line)
        return String(decoding: line, as: UTF8.self)
    }

    @Test(arguments: [
        (0, 0, "1970-01-01T00:00:00.000000Z"), (0, 999_999_999, "1970-01-01T00:00:00.999999Z"),
        (951_782_399, 1000, "2000-02-28T23:59:59.000001Z"), (951_782_400, 0, "2000-02-29T00:00:00.000000Z"),
        (951_868_800, 0, "2000-03-01T00:00:00.000000Z"), (1_709_164_800, 0, "2024-02-29T00:00:00.000000Z"),
        (1_735_689_599, 0, "2024-12-31T23:59:59.000000Z"), (1_735_689_600, 0, "2025-01-01T00:00:00.000000Z"),
        (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"), (253_402_300_799, 0, "9999-12-31T23:59:59.000000Z"),
    ])
    func `a moment is shown in UTC with microseconds`(_ seconds: Int, _ nanoseconds: Int, _ expected: String) {
        #expect(text(seconds, nanoseconds) == expected)
    }

    @Test func `every day until 2110 has the date that the system gives it`() {
        for day in 0..<51_135 {
            var seconds = day * 86_400 + 45_296  // 12:34:56
            var date = unsafe tm()
            // Safe because the call only reads and fills the given values.
            unsafe gmtime_r(&seconds, &date)
            let (year, month, dayOfMonth) = unsafe (date.tm_year + 1900, date.tm_mon + 1, date.tm_mday)
            let expected = "\(year)-\(month < 10 ? "0" : "")\(month)-\(dayOfMonth < 10 ? "0" : "")\(dayOfMonth)"
            if text(seconds) != expected + "T12:34:56.000000Z" { Issue.record("\(text(seconds)) is \(expected)") }
        }
    }

    @Test func `now is the time of the system`() {
        let before = time(nil)
        let now = Timestamp.now()
        // The coarse clock behind `time` may be a tick late, and a tick may be another second.
        #expect((before...time(nil) + 1).contains(now.seconds))
        #expect((0..<1_000_000_000).contains(now.nanoseconds))
    }
}
