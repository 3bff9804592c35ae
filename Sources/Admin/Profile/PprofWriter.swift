/// A profile as github.com/google/pprof/proto/profile.proto describes it.
struct PprofWriter {
    private var symbolizer: Symbolizer
    private var strings: [String: Int] = ["": 0]
    private var inOrder = [""]
    private var locations: [UInt: Int] = [:]
    private var functions: [String: Int] = [:]
    private var samples = ProtobufWriter()
    private var locationBytes = ProtobufWriter()
    private var functionBytes = ProtobufWriter()
    private var found: [(stack: [Int], count: Int, thread: Int)] = []

    init(_ symbolizer: Symbolizer) { self.symbolizer = symbolizer }

    private mutating func index(_ text: String) -> Int {
        if let known = strings[text] { return known }
        strings[text] = inOrder.count
        inOrder.append(text)
        return inOrder.count - 1
    }

    mutating func add(_ frames: [UInt], count: Int, thread: String) {
        // A call returns behind itself, maybe into the next function: what counts is the instruction before.
        let places = frames.enumerated().map { $0.offset == 0 ? $0.element : $0.element &- 1 }
        found.append((places.map { location($0) }, count, index(thread)))
    }

    private mutating func location(_ address: UInt) -> Int {
        if let known = locations[address] { return known }
        let id = locations.count + 1
        locations[address] = id
        let place = symbolizer.find(address)
        var message = ProtobufWriter()
        message.write(1, id)
        if let mapping = place.mapping { message.write(2, mapping + 1) }
        message.write(3, UInt64(address))
        if let symbol = place.symbol {
            var line = ProtobufWriter()
            line.write(1, function(symbol))
            message.write(4, line)
        }
        locationBytes.write(4, message)
        return id
    }

    private mutating func function(_ symbol: String) -> Int {
        if let known = functions[symbol] { return known }
        let id = functions.count + 1
        functions[symbol] = id
        var message = ProtobufWriter()
        message.write(1, id)
        message.write(2, index(Symbolizer.demangled(symbol)))
        message.write(3, index(symbol))
        functionBytes.write(5, message)
        return id
    }

    /// `period` is the processor time, in nanoseconds, that one sample stands for.
    mutating func finish(started: Int, length: Duration, period: Int, comments: [String]) -> [UInt8] {
        var profile = ProtobufWriter()
        let (thread, cpu, nanoseconds) = (index("thread"), index("cpu"), index("nanoseconds"))
        profile.write(1, valueType(index("samples"), index("count")))
        profile.write(1, valueType(cpu, nanoseconds))
        for sample in found {
            var label = ProtobufWriter()
            label.write(1, thread)
            label.write(2, sample.thread)
            var message = ProtobufWriter()
            message.write(1, packed: sample.stack)
            message.write(2, packed: [sample.count, sample.count * period])
            message.write(3, label)
            profile.write(2, message)
        }
        for (position, mapping) in symbolizer.map.enumerated() {
            var message = ProtobufWriter()
            message.write(1, position + 1)
            message.write(2, UInt64(mapping.range.lowerBound))
            message.write(3, UInt64(mapping.range.upperBound))
            message.write(4, UInt64(mapping.offset))
            message.write(5, index(mapping.path))
            message.write(7, 1)
            profile.write(3, message)
        }
        profile.append(locationBytes)
        profile.append(functionBytes)
        let commentIndices = comments.map { index($0) }
        for text in inOrder { profile.write(6, Array(text.utf8)) }
        profile.write(9, started)
        profile.write(10, Int(length / .nanoseconds(1)))
        profile.write(11, valueType(cpu, nanoseconds))
        profile.write(12, period)
        profile.write(13, packed: commentIndices)
        return profile.bytes
    }

    private func valueType(_ type: Int, _ unit: Int) -> ProtobufWriter {
        var message = ProtobufWriter()
        message.write(1, type)
        message.write(2, unit)
        return message
    }
}

/// Fields of a protobuf message, one behind the other.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func write(_ field: UInt64, _ value: UInt64) {
        varint(field << 3)
        varint(value)
    }
    mutating func write(_ field: UInt64, _ value: Int) { write(field, UInt64(value)) }

    mutating func write(_ field: UInt64, _ value: [UInt8]) {
        varint(field << 3 | 2)
        varint(UInt64(value.count))
        bytes += value
    }
    mutating func write(_ field: UInt64, _ message: ProtobufWriter) { write(field, message.bytes) }

    mutating func write(_ field: UInt64, packed values: [Int]) {
        var row = ProtobufWriter()
        for value in values { row.varint(UInt64(value)) }
        write(field, row.bytes)
    }

    mutating func append(_ other: ProtobufWriter) { bytes += other.bytes }
}
