import BasicTypes
import Crypto
import MerkleTree
import Testing

@Suite struct TrustPolicyTests {
  private let log: NoteSigner
  private let witnesses: [NoteSigner]
  private let note: SignedNote

  init() throws {
    log = try NoteSigner(name: "log.example", key: Curve25519.Signing.PrivateKey())
    witnesses = try ["X1", "X2", "X3", "Y1", "Y2"].map {
      try NoteSigner(name: $0, key: Curve25519.Signing.PrivateKey(), algorithm: .cosignature)
    }
    note = try log.sign(Checkpoint(origin: "log.example", size: 8, root: RFC6962.emptyRoot))
  }

  private func key(_ name: String) throws -> String {
    try #require(witnesses.first { $0.verifier.name == name }).verifier.vkey
  }

  /// The policy of the specification's example.
  private func example() throws -> String {
    """
    # Two organizations' witnesses.
    log \(log.verifier.vkey)

    witness X1 \(try key("X1"))
    witness X2\t\(try key("X2")) https://x2.example/prefix
    \twitness X3 \(try key("X3"))  \n\
    group X-witnesses 2 X1 X2 X3

    witness Y1 \(try key("Y1"))
    witness Y2 \(try key("Y2"))
    group Y-witnesses any Y1 Y2

    group X-and-Y all X-witnesses Y-witnesses
    quorum X-and-Y

    """
  }

  private func cosigned(by names: [String]) throws -> SignedNote {
    let time = try #require(Timestamp("2026-11-21T07:40:52Z"))
    var result = note
    for witness in witnesses where names.contains(witness.verifier.name) {
      result.signatures.append(try witness.signature(over: note.text, at: time))
    }
    return result
  }

  @Test func `The specification's example takes two of one party's witnesses and one of the other's`() throws {
    let policy = try TrustPolicy(parsing: Array(try example().utf8))
    #expect(policy.logs.count == 1 && policy.witnesses.count == 5 && policy.groups.count == 3)
    #expect(policy.witnesses[1].url == Array("https://x2.example/prefix".utf8))
    for mask in 0..<32 {
      let names = witnesses.indices.filter { mask >> $0 & 1 == 1 }.map { witnesses[$0].verifier.name }
      let isMet = names.count { $0.hasPrefix("X") } >= 2 && names.contains { $0.hasPrefix("Y") }
      let verdict = policy.judge(try cosigned(by: names))
      #expect((verdict.unmet == nil) == isMet, "\(names): \(verdict.unmet ?? "met")")
      #expect(verdict.cosigned.map { TrustPolicy.text($0.witness.name) } == names)
      #expect(verdict.log?.verifier == log.verifier)
    }
    let unmet = policy.judge(try cosigned(by: ["X1", "X2"])).unmet
    #expect(unmet == "the quorum X-and-Y takes 2 of X-witnesses, Y-witnesses, and has 1")
  }

  @Test func `A policy that is written reads back as itself`() throws {
    let policy = try TrustPolicy(parsing: Array(try example().utf8))
    #expect(try TrustPolicy(parsing: policy.serialized) == policy)
    let bare = try TrustPolicy(logs: [TrustPolicy.Log(log.verifier)])
    #expect(String(decoding: bare.serialized, as: UTF8.self) == "log \(log.verifier.vkey)\nquorum none\n")
    #expect(bare.judge(note).unmet == nil)
  }

  @Test func `Another log, a forged cosignature and a witness under a log's key count for nothing`() throws {
    let policy = try TrustPolicy(parsing: Array(try example().utf8))
    let other = try NoteSigner(name: "log.example", key: Curve25519.Signing.PrivateKey())
    func checkpoint(_ origin: String) throws -> Checkpoint {
      try Checkpoint(origin: origin, size: 8, root: RFC6962.emptyRoot)
    }
    #expect(policy.judge(try other.sign(checkpoint("log.example"))).log == nil)
    // The key is that of the log's name, and the checkpoint another's.
    #expect(policy.judge(try log.sign(checkpoint("other"))).log == nil)
    var forged = try cosigned(by: ["X1", "X2", "Y1"])
    forged.signatures[1].signature[20] ^= 1
    let verdict = policy.judge(forged)
    #expect(verdict.forged.map { TrustPolicy.text($0.name) } == ["X1"] && verdict.unmet != nil)
  }

  @Test func `Names are octets`() throws {
    // A Kelvin sign is no K, though Unicode calls them equal; and octets that are no UTF-8 are a name too.
    let text =
      Array("witness K \(try key("X1"))\nwitness \u{212A} \(try key("X2"))\nwitness ".utf8) + [0xFF, 0xFE]
      + Array(" \(try key("X3"))\nquorum ".utf8) + [0xFF, 0xFE] + Array("\n".utf8)
    let policy = try TrustPolicy(parsing: text)
    #expect(policy.witnesses.count == 3 && policy.serialized == text)
    #expect(policy.judge(try cosigned(by: ["X1", "X2"])).unmet != nil)
    #expect(policy.judge(try cosigned(by: ["X3"])).unmet == nil)
  }

  @Test func `What departs from the specification is refused with its line`() throws {
    let (one, two) = (try key("X1"), try key("X2"))
    let renamed = try NoteVerifier(vkey: one)
    let again = try NoteVerifier(name: "other", algorithm: .cosignature, publicKey: renamed.publicKey).vkey
    let cases: [(text: String, said: String)] = [
      ("", "no quorum line"),
      ("quorum none\nquorum none\n", "line 2"),
      ("quorum a\n", "line 1 of the policy: the quorum a is no witness"),
      ("quorum a b\n", "line 1"),
      ("logs x\nquorum none\n", "begins with none of"),
      ("log \(one)\nquorum none\n", "line 1"),
      ("witness a \(log.verifier.vkey)\nquorum none\n", "this is a log's"),
      ("log \(log.verifier.vkey)\nlog \(log.verifier.vkey)\nquorum none\n", "line 2"),
      ("witness a \(one)\nwitness b \(again)\nquorum none\n", "line 2"),
      ("witness a \(one)\nwitness a \(two)\nquorum none\n", "line 2"),
      ("witness none \(one)\nquorum none\n", "none is no name"),
      ("witness a \(one)\ngroup a any a\nquorum none\n", "line 2"),
      ("witness a \(one)\ngroup g any none\nquorum none\n", "line 2"),
      ("group g any a\nwitness a \(one)\nquorum g\n", "line 1"),
      ("witness a \(one)\ngroup g 2 a\nquorum g\n", "line 2"),
      ("witness a \(one)\ngroup g 0 a\nquorum g\n", "line 2"),
      ("witness a \(one)\ngroup g 01 a\nquorum g\n", "line 2"),
      ("witness a \(one)\ngroup g any\nquorum g\n", "line 2"),
      ("witness a \(one)\ngroup g any a a\nquorum g\n", "line 2"),
      ("witness a \(one)\ngroup g any a\ngroup h any a\nquorum h\n", "line 3"),
      ("witness a \(one.dropLast(2))\nquorum none\n", "line 1"),
      ("# a\u{7}\nquorum none\n", "control characters"),
      ("quorum none\r\n", "control characters"),
    ]
    for (text, said) in cases {
      let error = #expect(throws: NoteError.self, "\(text)") { try TrustPolicy(parsing: Array(text.utf8)) }
      #expect(error?.description.contains(said) == true, "\(text): \(error?.description ?? "")")
    }
  }

  @Test func `As many logs, witnesses and groups as the specification recommends are read`() throws {
    var lines: [String] = []
    for number in 0..<40 {
      let signer = try NoteSigner(name: "w\(number)", key: Curve25519.Signing.PrivateKey(), algorithm: .cosignature)
      let own = try NoteSigner(name: "l\(number)", key: Curve25519.Signing.PrivateKey())
      lines += ["log \(own.verifier.vkey)", "witness w\(number) \(signer.verifier.vkey)"]
      lines.append("group g\(number) any w\(number)" + (number > 0 ? " g\(number - 1)" : ""))
    }
    let policy = try TrustPolicy(parsing: Array((lines.joined(separator: "\n") + "\nquorum g39").utf8))
    #expect(policy.groups.count == 40 && policy.logs.count == 40)
  }
}

@Suite struct LogProofTests {
  @Test func `A proof reads back as itself, and proves its leaf and no other`() throws {
    let log = try NoteSigner(name: "log.example", key: testKey())
    let leaves = (0..<7).map { Array("leaf \($0)".utf8) }
    let tree = ReferenceTree(leaves: leaves)
    let note = try log.sign(Checkpoint(origin: "log.example", size: 7, root: tree.root(0..<7)))
    for index in leaves.indices {
      let hashes = tree.path(index, 0..<7)
      for extra in [nil, [1, 2, 3] as [UInt8]] {
        let proof = try LogProof(index: UInt64(index), hashes: hashes, note: note, extra: extra)
        let back = try LogProof(parsing: Array(proof.serialized.utf8))
        #expect(back == proof)
        for other in leaves.indices { #expect(back.proves(leaves[other]) == (other == index)) }
      }
    }
    let text = try LogProof(index: 2, hashes: tree.path(2, 0..<7), note: note).serialized
    for changed in [
      text.replacing("@v1", with: "@v2"), text.replacing("index 2", with: "index 02"),
      text.replacing("index 2", with: "index -2"), text.replacing("index 2\n", with: ""),
      text.replacing("index 2\n", with: "extra *\nindex 2\n"), text.replacing("\n\nlog.example", with: "\nlog.example"),
      String(text.dropLast()), text.replacing("index 2\n", with: "index 2\nAA==\n"),
    ] {
      #expect(throws: NoteError.self, "\(changed)") { try LogProof(parsing: Array(changed.utf8)) }
    }
  }
}
