"""What is put on AWS.

package.py    builds the zip of both Lambda functions (`make lambda`)
channel.yaml  the CloudFormation stack; docs/operations.md says how it is deployed
container/    what the image runs besides the project itself
audit.py      the bill of materials and the known vulnerabilities of it (`make sbom`, `make audit`)
"""
