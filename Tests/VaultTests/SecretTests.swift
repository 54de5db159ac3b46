import Testing
import Vault

@Suite struct SecretTests {
  // Two public vectors of bcrypt: the first is of the Openwall test suite, the second of pyca/bcrypt's.
  @Test(arguments: [
    ("U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("Kk4DQuMMfZL9o", "$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm"),
  ])
  func `Known bcrypt hashes verify, and only with their password`(password: String, hash: String) {
    #expect(Password.verify(password, against: hash))
    #expect(!Password.verify(password + "x", against: hash))
    #expect(!Password.verify("", against: hash))
    #expect(!Password.verify(password, against: String(hash.dropLast()) + "."))
  }

  @Test func `A hash is $2b$ of the cost asked for, salted anew each time`() throws {
    let first = try Password.hash("correct horse", cost: 5)
    let second = try Password.hash("correct horse", cost: 5)
    #expect(first.hasPrefix("$2b$05$") && first.utf8.count == 60)
    #expect(try Password.hash("x", cost: 4).hasPrefix("$2b$04$"))
    #expect(first != second)
    #expect(Password.verify("correct horse", against: first))
    #expect(Password.verify("correct horse", against: second))
    #expect(!Password.verify("correct horsf", against: first))
  }

  @Test func `The default cost is 12`() throws {
    let hash = try Password.hash("pässwörd")
    #expect(hash.hasPrefix("$2b$12$"))
    #expect(Password.verify("pässwörd", against: hash))
  }

  @Test func `A password that bcrypt would cut is refused`() throws {
    let longest = String(repeating: "a", count: 72)
    #expect(Password.verify(longest, against: try Password.hash(longest, cost: 4)))
    for password in [longest + "a", "a\u{0}b", String(repeating: "é", count: 37)] {
      let error = #expect(throws: VaultError.self) { try Password.hash(password, cost: 4) }
      #expect(error?.code == .passwordUnusable)
    }
    #expect(!Password.verify("a\u{0}b", against: try Password.hash("a", cost: 4)))
  }

  @Test(arguments: [3, 32, -1])
  func `A cost out of range is refused`(cost: Int) {
    let error = #expect(throws: VaultError.self) { try Password.hash("x", cost: cost) }
    #expect(error?.code == .hashingUnavailable)
  }

  @Test(arguments: ["", "*0", "$2b$", "$1$salt$qJH7.N4xYta3aEG/dfqo/0", "abJnggxhB/yWI", "$2b$05$CCCC\u{0}CCCCCC"])
  func `What is no bcrypt hash verifies nothing`(hash: String) {
    #expect(!Password.verify("", against: hash))
    #expect(!Password.verify("password", against: hash))
  }

  @Test func `A secret has its prefix, at least 256 random bits, and letters and digits only`() {
    let secrets = (0..<200).map { _ in SecretToken.make(prefix: "dbk_") }
    #expect(Set(secrets).count == 200)
    for secret in secrets {
      #expect(secret.hasPrefix("dbk_"))
      #expect(secret.utf8.count == 4 + 43)
      #expect(secret.dropFirst(4).allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) })
    }
    // 8600 draws of 62 characters: each of them shows up.
    #expect(Set(secrets.joined().dropFirst(4)).count >= 62)
    #expect(SecretToken.make(prefix: "", bytes: 16).utf8.count == 22)
  }

  @Test func `A secret is stored as its SHA-256`() {
    #expect(
      SecretToken.sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }
}
