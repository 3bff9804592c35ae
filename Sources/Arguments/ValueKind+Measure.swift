extension ValueKind<Duration> {
    /// A time such as `30s`, `1m30s`, `1.5h` or `0`: whole nanoseconds, and few enough for an `Int64` of them.
    public static var duration: Self {
        Self(
            form: .word, placeholder: "duration",
            parse: { (text) throws(ValueError) in .nanoseconds(try durations.parse(text)) },
            format: { durations.format($0.attoseconds / 1_000_000_000) })
    }
}

extension ValueKind<Duration> {
    /// A duration; a bare number means seconds.
    public static var durationOrSeconds: Self {
        let kind = Self.duration
        return Self(
            form: kind.form, placeholder: kind.placeholder,
            parse: { (text) throws(ValueError) in
                try kind.parse(text.allSatisfy { $0.isASCII && $0.isWholeNumber } ? text + "s" : text)
            },
            format: kind.format)
    }
}

extension ValueKind<Int> {
    /// A number of bytes such as `512`, `64K`, `1.5MiB` or `1GB`; each unit is 1024 times the one before.
    public static var size: Self {
        Self(
            form: .word, placeholder: "size",
            parse: { (text) throws(ValueError) in Int(try sizes.parse(text)) },
            format: { sizes.format(Int128($0)) })
    }
}

private let durations = Measure(
    noun: "duration", advice: "a number with a unit, such as 30s, 1m30s or 250ms",
    units: [
        (["d"], 86_400_000_000_000), (["h"], 3_600_000_000_000), (["m"], 60_000_000_000), (["s"], 1_000_000_000),
        (["ms"], 1_000_000), (["us"], 1_000), (["ns"], 1),
    ], addsUp: true)

private let sizes = Measure(
    noun: "size", advice: "a number of bytes, such as 512, 64K or 1.5M",
    units: [
        (["T", "TB", "TiB"], 1 << 40), (["G", "GB", "GiB"], 1 << 30), (["M", "MB", "MiB"], 1 << 20),
        (["K", "KB", "KiB"], 1 << 10), (["", "B"], 1),
    ], addsUp: false)
