/// Reads the NATS client protocol, both directions: lines of text, and payloads whose size stands in the line before.
package struct NATSCodec: Sendable {
    /// Most bytes of headers and payload together.
    package var maxPayload: Int
    /// The longest is the INFO of a server that has many others beside it.
    package static let maxLine = 64 << 10

    package init(maxPayload: Int) { self.maxPayload = maxPayload }

    /// Most bytes that `next` leaves and wants again, in front of what follows them.
    package var mostUnread: Int { Self.maxLine + maxPayload + 4 }

    /// The next operation from `offset` on, which moves behind it; nil until all of it has arrived.
    package func next(in bytes: RawSpan, at offset: inout Int) throws(NATSError) -> NATSOperation? {
        guard let feed = bytes.firstLineFeed(from: offset) else {
            if bytes.byteCount - offset > Self.maxLine { throw .lineTooLong(limit: Self.maxLine) }
            return nil
        }
        if feed - offset > Self.maxLine { throw .lineTooLong(limit: Self.maxLine) }
        let end = feed > offset && bytes.byte(feed - 1) == UInt8(ascii: "\r") ? feed - 1 : feed
        var words = Words(at: offset, end: end)
        let name = words.name(in: bytes)
        let operation: NATSOperation
        var next = feed + 1
        switch name {
        case 0x6d7367:  // msg
            guard let message = try message(&words, bytes, hasSid: true, hasHeaders: false, &next) else { return nil }
            operation = .message(message)
        case 0x686d7367:  // hmsg
            guard let message = try message(&words, bytes, hasSid: true, hasHeaders: true, &next) else { return nil }
            operation = .message(message)
        case 0x70696e67: operation = .ping
        case 0x706f6e67: operation = .pong
        case 0x2b6f6b: operation = .ok
        case 0x2d657272: operation = .error(words.quoted(in: bytes))
        case 0x696e666f: operation = .info(words.rest(in: bytes))
        case 0x707562:  // pub
            guard let message = try message(&words, bytes, hasSid: false, hasHeaders: false, &next) else { return nil }
            operation = .publish(message)
        case 0x68707562:  // hpub
            guard let message = try message(&words, bytes, hasSid: false, hasHeaders: true, &next) else { return nil }
            operation = .publish(message)
        case 0x737562:  // sub
            operation = try subscribe(&words, bytes, offset..<end)
        case 0x756e737562:  // unsub
            operation = try unsubscribe(&words, bytes, offset..<end)
        case 0x636f6e6e656374: operation = .connect(words.rest(in: bytes))
        default: throw .unknownOperation(Self.excerpt(bytes, offset..<end))
        }
        offset = next
        return operation
    }

    /// Behind the subject: a subscription's number, where to answer if anywhere, the size of the headers, that of all.
    private func message(
        _ words: inout Words, _ bytes: RawSpan, hasSid: Bool, hasHeaders: Bool, _ next: inout Int
    ) throws(NATSError) -> NATSMessage? {
        let line = words.line
        guard let subject = words.next(in: bytes) else { throw .malformed(Self.excerpt(bytes, line)) }
        var sid: UInt64 = 0
        if hasSid {
            guard let word = words.next(in: bytes), let number = Self.number(bytes, word) else {
                throw .malformed(Self.excerpt(bytes, line))
            }
            sid = UInt64(number)
        }
        var reply = subject.upperBound..<subject.upperBound
        guard var first = words.next(in: bytes) else { throw .malformed(Self.excerpt(bytes, line)) }
        var second = words.next(in: bytes)
        if hasHeaders, second != nil, let third = words.next(in: bytes) {
            (reply, first, second) = (first, second ?? third, third)
        } else if !hasHeaders, let size = second {
            (reply, first, second) = (first, size, nil)
        }
        guard let size = Self.number(bytes, first), words.next(in: bytes) == nil else {
            throw .malformed(Self.excerpt(bytes, line))
        }
        var (headers, total) = (0, size)
        if hasHeaders {
            guard let word = second, let all = Self.number(bytes, word), all >= size else {
                throw .malformed(Self.excerpt(bytes, line))
            }
            (headers, total) = (size, all)
        }
        guard total <= maxPayload else { throw .payloadTooLarge(total, limit: maxPayload) }
        let start = next
        guard bytes.byteCount - start >= total + 2 else { return nil }
        guard bytes.byte(start + total) == UInt8(ascii: "\r"), bytes.byte(start + total + 1) == UInt8(ascii: "\n")
        else { throw .payloadNotEnded }
        next = start + total + 2
        return NATSMessage(
            subject: subject, sid: sid, reply: reply, headers: start..<start + headers,
            payload: start + headers..<start + total)
    }

    private func subscribe(
        _ words: inout Words, _ bytes: RawSpan, _ line: Range<Int>
    ) throws(NATSError) -> NATSOperation {
        guard let subject = words.next(in: bytes), var sid = words.next(in: bytes) else {
            throw .malformed(Self.excerpt(bytes, line))
        }
        var group = subject.upperBound..<subject.upperBound
        if let third = words.next(in: bytes) { (group, sid) = (sid, third) }
        guard let number = Self.number(bytes, sid), words.next(in: bytes) == nil else {
            throw .malformed(Self.excerpt(bytes, line))
        }
        return .subscribe(subject: subject, group: group, sid: UInt64(number))
    }

    private func unsubscribe(
        _ words: inout Words, _ bytes: RawSpan, _ line: Range<Int>
    ) throws(NATSError) -> NATSOperation {
        guard let sid = words.next(in: bytes), let number = Self.number(bytes, sid) else {
            throw .malformed(Self.excerpt(bytes, line))
        }
        guard let word = words.next(in: bytes) else { return .unsubscribe(sid: UInt64(number), after: nil) }
        guard let most = Self.number(bytes, word), words.next(in: bytes) == nil else {
            throw .malformed(Self.excerpt(bytes, line))
        }
        return .unsubscribe(sid: UInt64(number), after: most)
    }

    /// Nil for what has another character than a digit in it, or more than 18 of them.
    private static func number(_ bytes: RawSpan, _ word: Range<Int>) -> Int? {
        guard !word.isEmpty, word.count <= 18 else { return nil }
        var number = 0
        for index in word {
            let digit = bytes.byte(index) &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            number = number &* 10 &+ Int(digit)
        }
        return number
    }

    private static func excerpt(_ bytes: RawSpan, _ line: Range<Int>) -> String {
        String(bytes.text(line.prefix(80)).map { $0.isASCII && $0 >= " " ? $0 : "?" })
    }
}

/// The words of a line, one after another. Blanks and tabs, any number of them, part them.
private struct Words {
    let line: Range<Int>
    private var index: Int

    init(at start: Int, end: Int) {
        line = start..<end
        index = start
    }

    @inline(__always)
    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    mutating func next(in bytes: RawSpan) -> Range<Int>? {
        while index < line.upperBound, Self.isBlank(bytes.byte(index)) { index += 1 }
        let start = index
        while index < line.upperBound, !Self.isBlank(bytes.byte(index)) { index += 1 }
        return start == index ? nil : start..<index
    }

    /// The first word in lower case, its letters as the bytes of a number; zero when it is too long for one.
    mutating func name(in bytes: RawSpan) -> UInt64 {
        guard let word = next(in: bytes), word.count < 8, word.lowerBound == line.lowerBound else { return 0 }
        var name: UInt64 = 0
        for index in word { name = name << 8 | UInt64(bytes.byte(index) | 0x20) }
        return name
    }

    /// What follows, without blanks around it.
    func rest(in bytes: RawSpan) -> Range<Int> {
        var (start, end) = (index, line.upperBound)
        while start < end, Self.isBlank(bytes.byte(start)) { start += 1 }
        while end > start, Self.isBlank(bytes.byte(end - 1)) { end -= 1 }
        return start..<end
    }

    func quoted(in bytes: RawSpan) -> Range<Int> {
        let rest = rest(in: bytes)
        let mark = UInt8(ascii: "'")
        guard rest.count >= 2, bytes.byte(rest.lowerBound) == mark, bytes.byte(rest.upperBound - 1) == mark else {
            return rest
        }
        return rest.lowerBound + 1..<rest.upperBound - 1
    }
}
