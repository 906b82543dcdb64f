"""Has templates judged by cfn-lint and policies by parliament.

On standard input {"templates": {name: text}, "policies": {name: text}}; on standard output what was found, by name. Of
the templates in "rights", all statements of their policies are given back, resolved.
Policies inside of a template are judged too, with every parameter at its default, or as given in "parameters".
"""

import json
import sys

import cfnlint.api
import parliament
from cfnlint.decode import decode_str

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "ap-northeast-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "tenko",
    "AWS::NoValue": None,
}
ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::acme-rollcall",
    "AWS::SQS::Queue": "arn:aws:sqs:ap-northeast-1:123456789012:letters",
    "AWS::Lambda::Function": "arn:aws:lambda:ap-northeast-1:123456789012:function:tenko",
    "AWS::IAM::Role": "arn:aws:iam::123456789012:role/tenko",
    "AWS::Logs::LogGroup": "arn:aws:logs:ap-northeast-1:123456789012:log-group:/tenko/tenko:*",
    "AWS::Events::Rule": "arn:aws:events:ap-northeast-1:123456789012:rule/tenko",
}


class Resolver:
    def __init__(self, template, given):
        self.template = template
        parameters = template.get("Parameters", {})
        self.values = {name: given.get(name, one.get("Default", "x")) for name, one in parameters.items()}

    def name(self, name):
        if name in PSEUDO:
            return PSEUDO[name]
        return self.values.get(name, name.lower())

    def attribute(self, name):
        resource, _, attribute = name.partition(".")
        kind = self.template["Resources"][resource]["Type"]
        return ARNS[kind] if attribute == "Arn" else resource.lower()

    def condition(self, said):
        if isinstance(said, str):
            return self.condition(self.template["Conditions"][said])
        (function, argument), = said.items()
        if function == "Condition":
            return self.condition(argument)
        if function == "Fn::Not":
            return not self.condition(argument[0])
        left, right = (str(self.value(one)) for one in argument)
        return left == right

    def substitute(self, text):
        out = ""
        while "${" in text:
            before, _, rest = text.partition("${")
            name, _, text = rest.partition("}")
            out += before + str(self.attribute(name) if "." in name else self.name(name))
        return out + text

    def value(self, said):
        if isinstance(said, dict) and len(said) == 1:
            (function, argument), = said.items()
            if function == "Ref":
                return self.name(argument)
            if function == "Fn::GetAtt":
                return self.attribute(argument if isinstance(argument, str) else ".".join(argument))
            if function == "Fn::Sub":
                return self.substitute(argument)
            if function == "Fn::If":
                return self.value(argument[1 if self.condition(argument[0]) else 2])
        if isinstance(said, dict):
            return {key: self.value(one) for key, one in said.items()}
        if isinstance(said, list):
            return [one for one in map(self.value, said) if one is not None]
        return said


def documents(said, found):
    if isinstance(said, dict):
        for key, one in said.items():
            if key == "PolicyDocument":
                found.append(one)
            else:
                documents(one, found)
    elif isinstance(said, list):
        for one in said:
            documents(one, found)
    return found


def findings(policy):
    judged = parliament.analyze_policy_string(policy)
    return [f"{one.issue}: {one.detail} {one.location}" for one in judged.findings]


def of_template(text, given):
    found = [f"{one.rule.id}: {one.message}" for one in cfnlint.api.lint(text, regions=["ap-northeast-1"])]
    template, _ = decode_str(text)
    template = json.loads(json.dumps(template))
    for name, resource in template["Resources"].items():
        try:
            policies = documents(Resolver(template, given).value(resource), [])
        except KeyError as error:
            found.append(f"{name}: nothing is called {error}")
            continue
        for policy in policies:
            found += [f"{name}: {one}" for one in findings(json.dumps(policy))]
    return found


def rights(text, given):
    """The statements of all policies of a template, by the name of the resource that has them."""
    template, _ = decode_str(text)
    template = json.loads(json.dumps(template))
    resolver = Resolver(template, given)
    found = {}
    for name, resource in template["Resources"].items():
        for policy in documents(resolver.value(resource), []):
            found.setdefault(name, []).extend(policy["Statement"])
    return found


asked = json.load(sys.stdin)
given = asked.get("parameters", {})
answer = {
    "templates": {name: of_template(text, given) for name, text in asked.get("templates", {}).items()},
    "policies": {name: findings(text) for name, text in asked.get("policies", {}).items()},
    "rights": {name: rights(text, given) for name, text in asked.get("rights", {}).items()},
}
json.dump(answer, sys.stdout)
