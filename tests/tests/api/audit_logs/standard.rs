//! How a proof is checked, from the text of RFC 9162, with nothing of the product.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub type Node = [u8; 32];

pub fn hash(parts: &[&[u8]]) -> Node {
    Sha256::digest(parts.concat()).into()
}

pub fn node(text: &Value) -> Node {
    STANDARD
        .decode(text.as_str().unwrap())
        .unwrap()
        .try_into()
        .unwrap()
}

pub fn nodes(texts: &Value) -> Vec<Node> {
    texts.as_array().unwrap().iter().map(node).collect()
}

/// RFC 9162, section 2.1.3.2.
pub fn included(index: u64, size: u64, leaf: Node, proof: &[Node], root: Node) -> bool {
    let (mut fn_, mut sn, mut r) = (index, size - 1, leaf);
    for p in proof {
        if sn == 0 {
            return false;
        }
        if fn_ % 2 == 1 || fn_ == sn {
            r = hash(&[&[1], p, &r]);
            while fn_.is_multiple_of(2) && fn_ != 0 {
                (fn_, sn) = (fn_ >> 1, sn >> 1);
            }
        } else {
            r = hash(&[&[1], &r, p]);
        }
        (fn_, sn) = (fn_ >> 1, sn >> 1);
    }
    sn == 0 && r == root
}

/// RFC 9162, section 2.1.4.2.
pub fn consistent(from: u64, to: u64, first: Node, second: Node, proof: &[Node]) -> bool {
    if from == to {
        return first == second && proof.is_empty();
    }
    let mut path = proof.to_vec();
    if from.is_power_of_two() {
        path.insert(0, first);
    }
    let (mut fn_, mut sn) = (from - 1, to - 1);
    while fn_ % 2 == 1 {
        (fn_, sn) = (fn_ >> 1, sn >> 1);
    }
    let mut path = path.into_iter();
    let Some(begin) = path.next() else {
        return false;
    };
    let (mut fr, mut sr) = (begin, begin);
    for c in path {
        if sn == 0 {
            return false;
        }
        if fn_ % 2 == 1 || fn_ == sn {
            fr = hash(&[&[1], &c, &fr]);
            sr = hash(&[&[1], &c, &sr]);
            while fn_.is_multiple_of(2) && fn_ != 0 {
                (fn_, sn) = (fn_ >> 1, sn >> 1);
            }
        } else {
            sr = hash(&[&[1], &sr, &c]);
        }
        (fn_, sn) = (fn_ >> 1, sn >> 1);
    }
    fr == first && sr == second && sn == 0
}
