/// Where something stands in what happens because of one request, in any number of programs: the headers of W3C Trace
/// Context.
public struct TraceContext: Sendable, Hashable {
    /// Both halves of the number of all that happens because of one request; not zero.
    package let (high, low): (UInt64, UInt64)
    /// Of one part of it; not zero.
    package let spanID: UInt64
    /// Somebody keeps what is said of it.
    public let isSampled: Bool
    /// What others have added for themselves, passed on as it came.
    public let state: String

    init(trace high: UInt64, _ low: UInt64, span: UInt64, isSampled: Bool, state: String = "") {
        (self.high, self.low, spanID, self.isSampled, self.state) = (high, low, span, isSampled, state)
    }

    /// A new trace. Of so large a part of them somebody keeps what is said.
    package static func begin(
        sampling: Double, random: inout any RandomNumberGenerator
    ) -> TraceContext {
        let (high, low) = (id(&random), random.next())
        let isSampled = Double(low >> 11) / Double(1 << 53) < sampling
        return TraceContext(trace: high, low, span: id(&random), isSampled: isSampled)
    }

    /// A part of this one.
    package func child(random: inout any RandomNumberGenerator) -> TraceContext {
        TraceContext(trace: high, low, span: Self.id(&random), isSampled: isSampled, state: state)
    }

    private static func id(_ random: inout any RandomNumberGenerator) -> UInt64 { max(1, random.next()) }

    /// The headers `traceparent` and `tracestate`; nil for what is no such header. Too long a state is left out.
    public init?(traceparent text: String, tracestate state: String = "") {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, let version = Self.number(parts[0], digits: 2), version != 0xff,
            version > 0 || parts.count == 4, parts[1].utf8.count == 32,
            let high = Self.number(parts[1].prefix(16), digits: 16),
            let low = Self.number(parts[1].dropFirst(16), digits: 16), high | low != 0,
            let span = Self.number(parts[2], digits: 16), span != 0, let flags = Self.number(parts[3], digits: 2)
        else { return nil }
        let isFine = state.utf8.count <= Self.mostState && state.utf8.allSatisfy { 0x20...0x7e ~= $0 }
        self.init(trace: high, low, span: span, isSampled: flags & 1 == 1, state: isFine ? state : "")
    }
    private static let mostState = 512

    public var traceparent: String { "00-\(traceText)-\(spanText)-\(isSampled ? "01" : "00")" }
    package var traceText: String { Self.text(high) + Self.text(low) }
    package var spanText: String { Self.text(spanID) }

    /// Lower case only, as the standard says.
    private static func number(_ text: Substring, digits: Int) -> UInt64? {
        let isFine = text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        return isFine && text.utf8.count == digits ? UInt64(text, radix: 16) : nil
    }

    package static func text(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
