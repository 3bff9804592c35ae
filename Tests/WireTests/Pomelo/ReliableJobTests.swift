import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct ReliableJobTests {
    private static let retry = ReliableJob.Retry(
        isOn: true, most: 2, exponent: 5, minDelay: 10, maxDelay: 10, maxRandom: 0)

    private func job(_ retry: ReliableJob.Retry = retry) -> ReliableJob {
        ReliableJob(
            id: "0123456789abcdef01234567", route: "metagame.metagame.logremote", metadata: ["stack": "a"],
            argument: ["doc": "x"], retry: retry, at: 1_700_000_000.5)
    }

    @Test func `a job is written as the original's encoder writes it`() throws {
        let text =
            #"{"queue":"rpc","class":"","args":{"Route":"metagame.metagame.logremote","Metadata":{"stack":"a"},"#
            + #""Arg":{"doc":"x"},"Reply":{}},"jid":"0123456789abcdef01234567","enqueued_at":1700000000.5,"#
            + #""retry":true,"retry_max":2,"retry_options":{"exp":5,"min_delay":10,"max_delay":10,"max_rand":0}}"#
        #expect(String(decoding: job().json, as: UTF8.self) == text)
        let read = try ReliableJob(Array(text.utf8))
        #expect(read == job())
        #expect(read.metadata == ["stack": "a"] && read.argument == ["doc": "x"] && read.retryCount == nil)
    }

    @Test func `each failure is noted as the original's worker notes it, until the last`() throws {
        var job = job()
        let time = "2006-01-02 15:04:05 UTC"
        #expect(job.fail("first", at: time, chance: 9) == 10)
        #expect(job.retryCount == 0)
        #expect(String(decoding: job.json, as: UTF8.self).hasSuffix(
            #""error_message":"first","failed_at":"2006-01-02 15:04:05 UTC","retry_count":0}"#))
        #expect(job.fail("second", at: time, chance: 9) == 10)
        #expect(job.fail("third", at: "2006-01-02 15:04:06 UTC", chance: 9) == 10)
        #expect(job.retryCount == 2)
        #expect(job.fail("fourth", at: time, chance: 9) == nil)
        let text = String(decoding: job.json, as: UTF8.self)
        #expect(text.contains(#""error_message":"fourth""#))
        #expect(text.contains(#""retried_at":"2006-01-02 15:04:06 UTC""#))
    }

    @Test func `pauses grow with the failures, by chance too, up to the longest`() throws {
        var retry = Self.retry
        (retry.most, retry.exponent, retry.minDelay, retry.maxDelay, retry.maxRandom) = (9, 3, 2, 100, 10)
        var job = job(retry)
        // count^3 + 2 + 7 * (count + 1)
        #expect((0..<6).map { _ in job.fail("x", at: "", chance: 17) } == [9, 17, 31, 57, 100, 100])
    }

    @Test func `a job that is not tried again fails once`() throws {
        var retry = Self.retry
        retry.isOn = false
        var job = job(retry)
        #expect(job.fail("x", at: "", chance: 0) == nil)
    }

    @Test func `what others write is read, and bad numbers do no harm`() throws {
        var strange = try ReliableJob(
            Array(
                (#"{"jid":"1","args":{"Route":"a.b.c","Arg":null},"retry":true,"retry_max":99999999999999,"#
                    + #""retry_count":"x","retry_options":{"exp":900,"max_delay":-5},"mine":[1]}"#).utf8))
        #expect(strange.fail("x", at: "", chance: .max) == 0)
        #expect(String(decoding: strange.json, as: UTF8.self).contains(#""mine":[1]"#))
        for text in ["", "[]", #"{"jid":"1"}"#, #"{"jid":1,"args":{"Route":"a"}}"#, #"{"jid":"1","args":{}}"#] {
            #expect(throws: ReliableJob.Fault.self) { try ReliableJob(Array(text.utf8)) }
        }
    }
}
