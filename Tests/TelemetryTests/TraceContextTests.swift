import OmniwayTelemetry
import Testing

@Suite struct TraceContextTests {
    private let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test func `the header of the standard's own example is read and written`() throws {
        let context = try #require(TraceContext(traceparent: text, tracestate: "rojo=00f067aa0ba902b7"))
        #expect(context.traceparent == text)
        #expect(context.isSampled && context.state == "rojo=00f067aa0ba902b7")
        let smallest = "00-00000000000000000000000000000001-0000000000000001-00"
        #expect(TraceContext(traceparent: smallest)?.isSampled == false)
    }

    @Test func `a later version is read as far as it is known`() {
        #expect(TraceContext(traceparent: "cc" + text.dropFirst(2) + "-what-the-future-brings")?.isSampled == true)
    }

    @Test(arguments: [
        "", "00", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ]) func `what the standard forbids is no context`(_ text: String) {
        #expect(TraceContext(traceparent: text) == nil)
    }

    @Test func `a state that is too long or no text is left out`() {
        for state in [String(repeating: "x", count: 513), "a=\n", "a=ü"] {
            #expect(TraceContext(traceparent: text, tracestate: state)?.state == "")
        }
    }

    @Test func `a part of a trace has its number, its state, and another one of its own`() throws {
        var random: any RandomNumberGenerator = SeededGenerator(seed: 1)
        let context = try #require(TraceContext(traceparent: text, tracestate: "a=b"))
        let child = context.child(random: &random)
        #expect(child.traceText == context.traceText && child.spanText != context.spanText)
        #expect(child.state == "a=b" && child.isSampled)
    }

    @Test func `so large a part of traces is kept as was asked for`() {
        var random: any RandomNumberGenerator = SeededGenerator(seed: 2)
        for (sampling, range) in [(0.0, 0...0), (1.0, 1000...1000), (0.25, 200...300)] {
            let kept = (0..<1000).count { _ in TraceContext.begin(sampling: sampling, random: &random).isSampled }
            #expect(range ~= kept, "\(sampling): \(kept)")
        }
    }

    @Test func `a full queue drops what comes, and says how much`() {
        var random: any RandomNumberGenerator = SeededGenerator(seed: 3)
        let queue = SpanQueue(limit: 3)
        let time = Timestamp(seconds: 1, nanoseconds: 2)
        for number in 0..<5 {
            queue.add(
                TraceSpan(
                    .begin(sampling: 1, random: &random), parent: nil, "\(number)", .server, from: time, to: time,
                    attributes: [:]))
        }
        let (first, dropped) = queue.take(2)
        #expect(first.map(\.name) == ["0", "1"] && dropped == 2)
        let (rest, none) = queue.take(9)
        #expect(rest.map(\.name) == ["2"] && none == 0)
    }
}
