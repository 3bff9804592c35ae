import OmniwayTransport
import Testing

@testable import OmniwayCluster

/// When a file that others write to is looked at.
@Suite struct FileLooksTests {
    private static func at(_ milliseconds: Int64) -> Moment { Moment(nanoseconds: milliseconds * 1_000_000) }

    /// The times, in milliseconds, of looks that find nothing, up to one.
    private func times(_ looks: inout FileLooks, from start: Int64, to end: Int64, lease: Duration? = nil) -> [Int64] {
        var times: [Int64] = []
        for time in start...end where looks.due(at: Self.at(time)) != nil {
            times.append(time)
            looks.foundNothing(at: Self.at(time), until: lease)
        }
        return times
    }

    @Test func `looks follow a write, each four times as late as the one before, up to five seconds`() {
        var looks = FileLooks(hearsWrites: true)
        looks.follow(7, at: Self.at(0))
        #expect(times(&looks, from: 0, to: 20_000) == [5, 25, 105, 425, 1705, 6705, 11_705, 16_705])
        looks.heardWrite(at: Self.at(20_000))
        #expect(times(&looks, from: 20_000, to: 20_500) == [20_005, 20_025, 20_105, 20_425])
    }

    @Test func `somebody who writes all the time does not put looks off`() {
        var looks = FileLooks(hearsWrites: true)
        looks.follow(7, at: Self.at(0))
        _ = times(&looks, from: 0, to: 1000)
        var found: [Int64] = []
        for time in 1000...1020 as ClosedRange<Int64> {
            looks.heardWrite(at: Self.at(time))
            found += times(&looks, from: time, to: time)
        }
        #expect(found == [1005, 1011, 1017])
    }

    @Test func `what is written here brings one look, for what others wrote in that moment`() {
        var looks = FileLooks(hearsWrites: true)
        looks.follow(7, at: Self.at(0))
        _ = times(&looks, from: 0, to: 10_000)
        looks.wroteHere(at: Self.at(10_000))
        #expect(times(&looks, from: 10_000, to: 19_000) == [10_080, 15_080])
        looks.heardWrite(at: Self.at(19_000))
        looks.wroteHere(at: Self.at(19_001))
        #expect(times(&looks, from: 19_001, to: 19_100) == [19_005, 19_025])
    }

    @Test func `the end of a lease is looked for when it comes`() {
        var looks = FileLooks(hearsWrites: true)
        looks.follow(7, at: Self.at(0))
        #expect(times(&looks, from: 0, to: 900, lease: .milliseconds(300)) == [5, 25, 105, 405, 705])
    }

    @Test func `without word of writes there is a look every 50 ms`() {
        var looks = FileLooks(hearsWrites: false)
        looks.follow(7, at: Self.at(0))
        #expect(times(&looks, from: 0, to: 220) == [50, 100, 150, 200])
    }

    @Test func `who wants nothing is not woken`() {
        var looks = FileLooks(hearsWrites: true)
        looks.follow(7, at: Self.at(0))
        #expect(looks.wait(at: Self.at(2)) == .milliseconds(3))
        looks.end()
        #expect(looks.wait(at: Self.at(3)) == nil && looks.due(at: Self.at(9)) == nil)
        looks.follow(8, at: Self.at(10))
        #expect(looks.due(at: Self.at(15)) == 8)
        looks.follow(nil, at: Self.at(15))
        #expect(looks.wait(at: Self.at(16)) == nil)
    }
}
