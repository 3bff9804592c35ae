@testable import OmniwayTransport
import Testing

@Suite struct SocketAddressTests {
    @Test(arguments: [
        "127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:443", "[fe80::1%2]:1", "[2001:db8::ff]:0",
        "unix:/run/omniway.sock", "unix:@abstract",
    ]) func `an address is written as it is read`(_ text: String) {
        #expect(SocketAddress(text)?.description == text)
    }

    @Test(arguments: [
        "", ":", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "256.0.0.1:1", "::1:80", "[::1]",
        "[::1:80",
        "host:80", "unix:", "[fe80::1%no-such-interface]:1", "unix:" + String(repeating: "x", count: 200),
    ]) func `what is not an address in digits is refused`(_ text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test func `a port without a host means every address`() {
        #expect(SocketAddress(":80") == .ipv6(high: 0, low: 0, port: 80))
    }

    @Test func `IPv4 within IPv6 is the same host as IPv4`() {
        #expect(SocketAddress("[::ffff:10.0.0.1]:1")?.host == SocketAddress("10.0.0.1:2")?.host)
        #expect(SocketAddress("[2001:db8::1]:1")?.host != SocketAddress("[2001:db8::2]:1")?.host)
    }

    @Test func `limits per address count a whole IPv6 network as one, and a single IPv4 address`() throws {
        func counted(_ text: String) throws -> SocketAddress { try #require(SocketAddress(text)).counted }
        #expect(try counted("[2001:db8:0:1::1]:80") == counted("[2001:db8:0:1:ffff::9]:81"))
        #expect(try counted("[2001:db8:0:1::1]:80") != counted("[2001:db8:0:2::1]:80"))
        #expect(try counted("[fe80::1]:80") != counted("[fe80::2]:80"))
        #expect(try counted("10.0.0.1:80") == counted("[::ffff:10.0.0.1]:81"))
        #expect(try counted("10.0.0.1:80") != counted("10.0.0.2:80"))
    }

    @Test func `a host and its port come apart`() {
        #expect(HostPort("example.org:443") == HostPort(host: "example.org", port: 443))
        #expect(HostPort("[::1]:5").map { "\($0)" } == "[::1]:5")
        #expect(HostPort("::1:5") == nil)
        #expect(HostPort("example.org") == nil)
    }
}
