import OmniwayTesting
import Testing

@testable import MeshBenchmark

/// The experiments of the mesh's design at small sizes, cheap enough for a debug build on a busy machine;
/// `./bench mesh` runs them at all sizes.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ExperimentTests {
    private func check(_ measured: Measured) {
        #expect(measured.missed.isEmpty, "\(measured.text)")
    }

    @Test(arguments: [(10, 1), (60, 2)] as [(Int, UInt64)])
    func `E1 an overlay that everybody joins by somebody is connected and symmetric`(_ nodes: Int, _ seed: UInt64) {
        check(Experiments.e1(nodes, seed: seed))
    }

    @Test(arguments: [(10, 1), (60, 2)] as [(Int, UInt64)])
    func `E2 one sender reaches everybody as fast as by flooding, with one copy each`(_ nodes: Int, _ seed: UInt64) {
        check(Experiments.e2(nodes, seed: seed, warmUp: 40, messages: 30))
    }

    @Test func `E3 ten senders have a tree each`() {
        check(Experiments.e3(50, seed: 1, isRandom: false, warmUp: 40, messages: 20))
    }

    @Test func `E4 all send at once, and everybody has everything once`() { check(Experiments.e4(30, seed: 1)) }

    @Test(arguments: [(50, 7), (80, 8), (90, 9)] as [(Int, UInt64)])
    func `E5 a message at the moment when most nodes crash reaches those that are left`(_ percent: Int, _ seed: UInt64)
    {
        check(Experiments.e5(100, seed: seed, percent: percent))
    }

    @Test func `E6 nodes come and go, and who stays gets everything`() { check(Experiments.e6(40, seed: 1, time: 40)) }

    @Test(arguments: [5, 20])
    func `E7 what a partition has cut grows together, and messages of meanwhile arrive`(_ seconds: Int) {
        check(Experiments.e7(40, seed: 1, share: 0.5, time: .seconds(seconds)))
    }

    @Test func `E8 loss, repetition and disorder lose nothing and repeat nothing`() {
        check(Experiments.e8(40, seed: 1, "loss", messages: 20) { $0.loss = 0.05 })
        check(Experiments.e8(40, seed: 1, "repetition", messages: 20) { $0.duplication = 0.5 })
        check(Experiments.e8(40, seed: 1, "disorder", messages: 20) { $0.disorder = .milliseconds(200) })
    }

    @Test func `E9 a slow node does not make others look dead`() { check(Experiments.e9(20, seed: 1)) }

    @Test(arguments: [10, 20]) func `E10 a node that crashes is suspected soon, by everybody`(_ nodes: Int) {
        check(Experiments.e10(nodes, seed: 1, crashes: 3))
    }

    @Test func `E11 a fifth of attackers neither stops messages nor takes over views`() {
        check(Experiments.e11(30, seed: 1))
    }

    @Test func `E12 a large payload crosses each link once, and only for who asks`() {
        check(Experiments.e12(30, seed: 1, size: 256 << 10))
    }

    @Test func `E15 whatever is lost, repeated or crashes, an acknowledged request was done once`() {
        check(Experiments.e15(20, seed: 1, requests: 100))
    }

    @Test func `the same seed gives the same run, and another one does not`() {
        let traces = [1, 1, 2].map { Experiments.e4(20, seed: $0).trace }
        #expect(traces[0] == traces[1])
        #expect(traces[0] != traces[2])
    }
}
