import OmniwayTelemetry
import Testing

struct SecretTests {
    private let secret = Secret("hunter2")

    @Test func `a secret shows as stars wherever it is printed`() {
        struct Configuration {
            let password: Secret
            let spare: Secret?
        }
        let configuration = Configuration(password: secret, spare: secret)
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect("\(secret)" == "***")
        for text in [String(reflecting: secret), "\(configuration)", String(reflecting: configuration), dumped] {
            #expect(!text.contains("hunter2") && text.contains("***"))
        }
    }

    @Test func `whoever needs it gets the text`() {
        #expect(secret.revealed == "hunter2")
    }

    @Test(arguments: [("hunter2", true), ("hunter3", false), ("hunter", false), ("hunter22", false), ("", false)])
    func `secrets are equal when their texts are`(_ text: String, _ isEqual: Bool) {
        #expect((secret == Secret(text)) == isEqual)
    }
}
