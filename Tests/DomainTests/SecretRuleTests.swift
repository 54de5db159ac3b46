import CanonicalJSON
import Catalog
import DaybookTestKit
import Foundation
import Records
import TestBasics
import Testing

/// What counts as a secret in the configuration of a pipeline, and what doesn't.
@Suite struct SecretRuleTests {
  private static let mask: JSON = "********"

  private static func masked(_ value: JSON, _ rule: SecretRule = .configuration) throws -> JSON {
    var field = Field(name: "config", type: .json)
    field.secret = rule
    return SecretMembers.masked(value, field: "config", scope: try #require(SecretScope(field)))
  }

  @Test(arguments: [
    "password", "db_password", "dbPassword", "DB.PASSWORD", "password_2", "sasl.password", "pass", "db_pass", "pwd",
    "passphrase", "secret", "client_secret", "clientsecret", "secrets", "token", "access_token", "authToken",
    "api_key", "apiKey", "x-api-key", "APIKEY", "private_key", "ssh_private_key", "aws_secret_access_key",
    "access_key_id", "fs.s3a.secret.key", "fernet_key", "authorization", "Authorization", "Proxy-Authorization",
    "credentials", "connection_string", "sasl.jaas.config", "Set-Cookie", "encryption_key", "password_encrypted",
  ]) func `a text of that name is a secret`(_ name: String) throws {
    #expect(try Self.masked(.object([name: "Hunter-2"])) == .object([name: Self.mask]))
    #expect(
      try Self.masked([.object(["data": .object([name: "Hunter-2"])])])
        == [.object(["data": .object([name: Self.mask])])])
  }

  @Test(arguments: [
    "key", "primary_key", "foreign_key", "sort_key", "partition_key", "join_key", "cache_key", "dedup_key",
    "customer_key", "surrogateKey", "order_key", "key_column", "token_count", "max_tokens", "tokenizer", "page_token",
    "nextPageToken", "pad_token", "password_column", "compass", "bypass", "secretary", "passenger",
    "keyword", "monkey", "node_id", "name", "config", "image_pull_secret", "secret_name", "author", "pass_count",
    "token_type", "key_by", "organization", "string", "description", "target", "database", "record", "class",
  ]) func `a text of that name is none`(_ name: String) throws {
    let value: JSON = .object([name: "customer_id"])
    #expect(try Self.masked(value) == value)
  }

  @Test func `names of columns are data`() throws {
    let open: [JSON] = [
      ["mapping": ["password": "pwd_hash", "token": "access_token"]], ["columns": ["password": "Passwort"]],
      ["rename": ["api_key": "key_of_api"]], ["schema": ["password": "varchar(60)"]],
      ["fields": ["password": "string", "token": "TEXT"]], ["fields": [["name": "password", "type": "string"]]],
      ["properties": ["password": ["type": "string", "minLength": 8]]], ["account_key": "acct_key"],
      ["password": "${DB_PASSWORD}"], ["password": "{{ secrets.db }}"], ["password": ""], ["password": nil],
      ["use_password": true], ["pass": 1], ["max_token": 512], ["headers": [["key": "Accept", "value": "text/csv"]]],
      ["primary_key": ["id", "day"]], ["group_by": ["token", "password"]],
    ]
    for value in open { #expect(try Self.masked(value) == value, "\(value.canonicalString)") }
  }

  @Test func `a value beside a secret's name, a default of what is declared, and what is made of secrets count`() throws
  {
    let pairs: [(JSON, JSON)] = [
      (["env": [["name": "DB_PASSWORD", "value": "x1"]]], ["env": [["name": "DB_PASSWORD", "value": Self.mask]]]),
      (
        ["headers": [["key": "Authorization", "value": "Basic abc"]]],
        ["headers": [["key": "Authorization", "value": Self.mask]]]
      ),
      (
        ["properties": ["password": ["type": "string", "default": "x1"]]],
        ["properties": ["password": ["type": "string", "default": Self.mask]]]
      ),
      (["credentials": ["user": "a", "value": "b"]], ["credentials": Self.mask]),
      (["password": 123_456], ["password": Self.mask]), (["secrets": ["a1", "b1"]], ["secrets": Self.mask]),
      (["account_key": "aGVsbG8gd29ybGQ="], ["account_key": Self.mask]),
      (["password": "${DB_PASSWORD:-hunter2}"], ["password": Self.mask]),
    ]
    for (value, shown) in pairs { #expect(try Self.masked(value) == shown, "\(value.canonicalString)") }
  }

  @Test(arguments: [
    "postgres://ann:p@db.example/x", "jdbc:postgresql://h/db?user=a&password=p", "https://h/x?sig=p",
    "jdbc:sqlserver://h:1433;databaseName=x;password=p", "host=h user=a password=p", "https://s3/x?X-Amz-Signature=p",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=p", "-----BEGIN RSA PRIVATE KEY-----\nMII",
    "spark-submit --conf a=b --password=p job.py", "COPY t FROM 's3://k:p@bucket/x'",
    "ghp_abcdefghijklmnop0123456789", "Bearer abcdef0123456789abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "https://hooks.slack.com/services/T0/B0/abc", "https://0123456789abcdef01234567@git.example/x.git",
  ]) func `a text that carries a secret is one, whatever its name`(_ text: String) throws {
    #expect(try Self.masked(["note": .string(text)]) == ["note": Self.mask])
    #expect(try Self.masked(["list": [.string(text), "plain"]]) == ["list": [Self.mask, "plain"]])
    #expect(try Self.masked(.string(text)) == Self.mask)
    #expect(try Self.masked(["note": .string(text)], .texts) == ["note": Self.mask])
  }

  @Test(arguments: [
    "SELECT * FROM users WHERE token=b.token AND secret=0", "SELECT a.pass=1, b.token FROM t", "token=abc",
    "https://example.org/path?page=2&key=id", "ann@example.org", "postgres://db.example:5432/x",
    "postgres://ann:${PASSWORD}@db.example/x", "postgresql://{user}:{password}@{host}/x",
    "s3://bucket/key=1/token", "a = b; c = d", "-----BEGIN CERTIFICATE-----\nMII", "eyJ", "def f(x): return x == 1",
    "http://h:80/@x", "lag(token) over (partition by password)", "key=value;other=thing",
  ]) func `a text that carries none is shown`(_ text: String) throws {
    #expect(try Self.masked(["note": .string(text)]) == ["note": .string(text)])
  }

  @Test func `only texts count where names are those of columns`() throws {
    let value: JSON = ["password": "hashed", "fields": ["token": "abc"], "uri": "postgres://a:b@h"]
    #expect(
      try Self.masked(value, .texts) == ["password": "hashed", "fields": ["token": "abc"], "uri": Self.mask])
  }

  @Test(arguments: [
    ("postgres://ann:p@db.example:5432/x", "postgres://db.example:5432/x"),
    ("https://h/x?sig=p&page=2#top", "https://h/x?page=2#top"), ("https://h/x?page=2&sig=p", "https://h/x?page=2"),
    ("https://h/x?X-Amz-Signature=p", "https://h/x"),
    ("jdbc:sqlserver://h:1433;databaseName=x;password=p", "jdbc:sqlserver://h:1433;databaseName=x"),
  ]) func `a URL is stripped of its password and its signature`(_ text: String, _ stripped: String) {
    #expect(SecretText.stripped(text) == stripped)
    #expect(SecretText.stripped(stripped) == nil)
  }

  @Test func `a text that is more than a URL stays as it is`() {
    #expect(SecretText.stripped("see postgres://ann:p@db.example/x") == nil)
    #expect(SecretText.stripped("host=h user=a password=p") == nil)
  }
}
